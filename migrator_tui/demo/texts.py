"""What the sample application's people write: sections, activities, messages, documents, settings."""

from __future__ import annotations

SUBJECTS: tuple[tuple[str, tuple[tuple[str, tuple[str, str]], ...]], ...] = (
    (
        "Mathematics",
        (
            ("Numbers and algebra", ("Fractions and decimals", "Linear equations")),
            ("Geometry", ("Pythagoras’ theorem", "Circles and π")),
            ("Statistics", ("Mean, median, mode", "Reading a box plot")),
        ),
    ),
    (
        "Natural science",
        (
            ("Physics", ("Forces and motion", "Light and lenses")),
            ("Chemistry", ("The periodic table", "Acids, bases and H₂O")),
            ("Biology", ("The cell", "Photosynthesis")),
        ),
    ),
    (
        "Languages",
        (
            ("Français débutant", ("Se présenter", "Au café ☕")),
            ("Deutsch für Anfänger", ("Grüße und Höflichkeit", "Wegbeschreibungen")),
            ("日本語入門", ("ひらがな", "あいさつ")),
        ),
    ),
    (
        "History",
        (
            ("Antiquity", ("The Greek city states", "Rome: republic to empire")),
            ("Middle Ages", ("Trade on the Silk Road", "Life in a monastery")),
            ("Modern times", ("The printing press", "The industrial revolution")),
        ),
    ),
    (
        "Computing",
        (
            ("Programming", ("Variables and loops", "Functions & recursion")),
            ("Databases", ("Tables and keys", "Queries: SELECT … JOIN")),
            ("Networks", ("How a packet travels", "Keeping secrets secret 🔐")),
        ),
    ),
    (
        "Arts",
        (
            ("Drawing", ("Perspective", "Light and shadow")),
            ("Music", ("Reading notes 🎵", "Rhythm and metre")),
            ("Photography", ("Exposure", "Composition")),
        ),
    ),
)
"""Three levels: subject, unit, lesson; 6 + 18 + 36 sections."""

KINDS = {
    "exercise": "Exercise {n}: {topic}",
    "quiz": "Quiz {n} on “{topic}”",
    "essay": "Essay: what I learned about {topic}",
    "exam": "Exam {n}: {topic}",
    "project": "Project – {topic} in daily life",
}
"""Kind of an activity and how its title is written."""

OPENINGS = (
    "Hello,",
    "Hi!",
    "Good morning,",
    "Dear all,",
    "Bonjour,",
    "Guten Tag,",
    "Dzień dobry,",
    "こんにちは。",
    "Hey 👋",
    "",
    "",
    "",
)

SENTENCES = (
    "I have uploaded the corrected version of the exercise.",
    "Could you look at question 3 again? I think the answer key has a typo.",
    "The exam moves to Thursday, same room, half an hour later.",
    "Thank you for the quick answer, that helped a lot.",
    "I was ill last week; may I hand the essay in on Monday?",
    "Please find the slides in the documents of the lesson.",
    "My score shows 7.5 points, but I count 8 on the sheet.",
    "The group meets in the library at 16:00.",
    'She wrote "it\'s done" on the board; is that the deadline?',
    "Is the project for one person or for two?",
    "Attached is the photo of the experiment – sorry for the poor light.",
    "I cannot open the file, it says that the format is not known.",
    "Great work on the presentation, the timeline was very clear.",
    "Das Übungsblatt 4 ist jetzt online, viel Erfolg beim Lösen!",
    "Le rendez-vous est déplacé à vendredi, à la même heure.",
    "¿Podría explicar otra vez el último ejemplo, por favor?",
    "Proszę o sprawdzenie zadania 2, coś się nie zgadza.",
    "Спасибо, теперь всё понятно.",
    "宿題は明日までに出してください。",
    "50% of the group has answered the survey so far.",
    "The formula is a² + b² = c², not a + b = c.",
    "Use SELECT … WHERE name LIKE 'A%' and compare the two results.",
    "There are three copies left in the office; first come, first served.",
    "I will be five minutes late today.",
)

CLOSINGS = (
    "",
    "",
    "",
    "Thanks!",
    "Best wishes",
    "See you tomorrow 🙂",
    "Merci 🙏",
    "Viele Grüße",
    "🎉",
    "👩‍🏫",
    "Kind regards",
)

NUL_BODY = (
    "This is what my terminal printed before it stopped:\n$ ./sort numbers.txt\n1 2 3\x00\x00 5 8\nWhat are the gaps?"
)
"""A pasted terminal output; the NULs stand after the part that ``preview`` shows."""

STEMS = (
    "essay-ünïcode",
    "lab report",
    "Übungsblatt",
    "résumé de cours",
    "notes",
    "draft #2",
    "survey 50%",
    "photo [final]",
    "スライド",
    "план урока",
    "it's done",
    "results~old",
    "timeline & sources",
    "homework",
)
"""How people name files, characters that Storage's keys do not take included."""

EVENTS = ("login", "login.failed", "password.changed", "document.uploaded", "enrolment.added", "export.requested")

SETTINGS = {
    "site.title": "Lerngarten – a small learning platform",
    "site.language": "en",
    "site.time_zone": "Europe/Berlin",
    "site.motto": "Every question is welcome 🌱",
    "mail.from": "no-reply@example.org",
    "mail.footer": "You get this because you are enrolled.\nChange it in your profile.",
    "uploads.folder": "uploads",
    "uploads.types": "pdf,png,txt,md,csv",
    "theme": '{"accent": "#2a7f62", "dark": false, "fonts": ["Inter", "Noto Sans JP"]}',
    "terms.version": "2026-01",
    "feature.messages": "on",
    "feature.certificates": "off",
}
