"""The sample application's rows, one generator a table, so that a million of them need no memory.

Each table draws from a generator of its own, seeded by seed and name: a change to one leaves the others as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from migrator_tui.demo import texts
from migrator_tui.demo.names_data import DOMAINS, ORIGINS, in_ascii
from migrator_tui.demo.passwords import HASHES
from migrator_tui.demo.sample_files import SampleFile

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

OPENED = datetime(2024, 9, 1, 8, 0, 0)
TODAY = datetime(2026, 3, 20, 18, 0, 0)
"""The sample's last day; nothing reads the clock."""

MISSING_USER = 9999
"""An id that no user has, however many there are."""
SAME_PERSON = (4, 11)
"""Ids of two accounts whose e-mail addresses differ only in case."""
NUL_MESSAGE = 42
ORPHAN_MESSAGE = 77

_THREADS_OPEN = 40


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many rows the growing tables have. Users have two or three enrolments each; the rest is fixed."""

    users: int
    activities: int
    documents: int
    messages: int
    audit_log: int

    @classmethod
    def at(cls, scale: float) -> Amounts:
        """The amounts at a scale; never fewer than what the documented trouble needs."""

        def grown(rows: int, least: int) -> int:
            return max(least, round(rows * scale))

        return cls(grown(300, 40), grown(400, 20), grown(300, 20), grown(3000, 100), grown(200, 10))


@dataclass(frozen=True, slots=True)
class TableRows:
    """One table's rows in the order of ``columns``."""

    table: str
    columns: tuple[str, ...]
    rows: Iterator[Row]


def all_tables(amounts: Amounts, files: tuple[SampleFile, ...], seed: int) -> Iterator[TableRows]:
    """Every table's rows, parents before children."""

    def table(name: str, columns: str, rows: Iterator[Row]) -> TableRows:
        return TableRows(name, tuple(columns.split()), rows)

    yield table(
        "users",
        "id email password_hash full_name role is_active created_at last_login balance",
        users(amounts, Random(f"{seed}/users")),
    )
    yield table("sections", "id parent_id title slug position visible", sections())
    yield table(
        "activities",
        "id section_id author_id title kind due_on points weight settings created_at",
        activities(amounts, Random(f"{seed}/activities")),
    )
    yield table(
        "enrolments", "user_id section_id enrolled_at progress", enrolments(amounts, Random(f"{seed}/enrolments"))
    )
    yield table(
        "documents",
        "id owner_id activity_id filename path mime size sha256 uploaded_at",
        documents(amounts, files, seed),
    )
    yield table(
        "messages",
        "id sender_id recipient_id thread_id body sent_at read",
        messages(amounts, Random(f"{seed}/messages")),
    )
    yield table("audit_log", "event at payload", audit_log(amounts, Random(f"{seed}/audit_log")))
    yield table("settings", "key value", iter(texts.SETTINGS.items()))


def users(amounts: Amounts, rng: Random) -> Iterator[Row]:
    """The first is the administrator, the next twentieth teach."""
    taken: dict[str, int] = {"admin": 1, "ines.duarte": 1}
    step = (TODAY - OPENED) / amounts.users
    for index in range(amounts.users):
        number = _user(index)
        full_name, email = _person(rng, taken)
        if number == 1:
            email = "admin@example.org"
        elif number in SAME_PERSON:
            full_name = "Inês Duarte"
            email = "ines.duarte@example.org" if number == SAME_PERSON[0] else "Ines.Duarte@Example.org"
        role = "admin" if number == 1 else "teacher" if index < _teachers(amounts) else "member"
        created = OPENED + step * (index + rng.random())
        login = created + (TODAY - created) * rng.random()
        yield (
            number,
            email,
            HASHES[index % len(HASHES)],
            full_name,
            role,
            int(number in SAME_PERSON or index < 3 or rng.random() < 0.94),
            _written(created),
            _last_login(number, login) if index < 3 or rng.random() < 0.9 else None,
            rng.randrange(-2_000, 25_000) / 100 if rng.random() < 0.3 else 0,
        )


def sections() -> Iterator[Row]:
    """Subjects, their units, and the units' lessons, each before its children."""
    number = 0

    def section(parent: int | None, title: str, position: int) -> Row:
        nonlocal number
        number += 1
        slug = "-".join("".join(c if c.isalnum() else " " for c in in_ascii(title)).split()) or "section"
        return number, parent, title, f"{slug}-{number}", position, int(number % 13 != 0)

    for position, (subject, units) in enumerate(texts.SUBJECTS, start=1):
        yield section(None, subject, position)
        subject_id = number
        for unit_position, (unit, lessons) in enumerate(units, start=1):
            yield section(subject_id, unit, unit_position)
            unit_id = number
            for lesson_position, lesson in enumerate(lessons, start=1):
                yield section(unit_id, lesson, lesson_position)


def activities(amounts: Amounts, rng: Random) -> Iterator[Row]:
    """What there is to do in the sections."""
    topics = [(row[0], row[2]) for row in sections()]
    kinds = tuple(texts.KINDS)
    for number in range(1, amounts.activities + 1):
        section_id, topic = rng.choice(topics)
        kind = rng.choice(kinds)
        created = _between(rng, OPENED, TODAY)
        yield (
            number,
            section_id,
            None if rng.random() < 0.03 else _user(rng.randrange(_teachers(amounts))),
            texts.KINDS[kind].format(n=rng.randrange(1, 13), topic=topic),
            kind,
            None if rng.random() < 0.15 else (created + timedelta(days=rng.randrange(3, 90))).date().isoformat(),
            None if kind == "exercise" and rng.random() < 0.4 else rng.randrange(4, 81) / 2,
            rng.choice((1, 1, 1, 0.5, 0.25, 1.75, 2)),
            _activity_settings(kind, rng),
            _written(created),
        )


def enrolments(amounts: Amounts, rng: Random) -> Iterator[Row]:
    """Two or three sections for every user, in key order."""
    count = sum(1 for _ in sections())
    for index in range(amounts.users):
        first = rng.randrange(count)
        chosen = sorted((first + k * 17) % count + 1 for k in range(3 if index % 3 == 0 else 2))
        for section_id in chosen:
            progress = rng.choice((0.0, 1.0)) if rng.random() < 0.25 else round(rng.random(), 3)
            yield _user(index), section_id, _written(_between(rng, OPENED, TODAY)), progress


def documents(amounts: Amounts, files: tuple[SampleFile, ...], seed: int) -> Iterator[Row]:
    """Size and hash are those of the file that belongs there, whether it is written or not."""
    rng = Random(f"{seed}/documents")
    for index in range(amounts.documents):
        file = files[index % len(files)]
        stem, moment = rng.choice(texts.STEMS), _between(rng, datetime(2025, 9, 1), TODAY)
        number = index + 1
        yield (
            number,
            _user(rng.randrange(amounts.users)),
            None if rng.random() < 0.3 else rng.randrange(amounts.activities) + 1,
            f"{stem}.{file.extension}",
            f"documents/{moment:%Y/%m}/{stem} {number}.{file.extension}",
            file.mime,
            len(file.data),
            file.sha256,
            _written(moment),
        )


def messages(amounts: Amounts, rng: Random) -> Iterator[Row]:
    """Threads between two people; a thread's first message has no ``thread_id``."""
    start = datetime(2025, 9, 1)
    step = (TODAY - start) / (amounts.messages + 1)
    threads: list[tuple[int, int, int]] = []
    for number in range(1, amounts.messages + 1):
        trouble = number in (NUL_MESSAGE, ORPHAN_MESSAGE)
        thread: int | None = None
        if threads and not trouble and rng.random() < 0.6:
            thread, recipient, sender = rng.choice(threads)
            if rng.random() < 0.5:
                sender, recipient = recipient, sender
        else:
            sender = rng.randrange(amounts.users)
            recipient = (sender + rng.randrange(1, amounts.users)) % amounts.users
            if not trouble:
                threads = [*threads[1 - _THREADS_OPEN :], (number, sender, recipient)]
        yield (
            number,
            _user(sender),
            MISSING_USER if number == ORPHAN_MESSAGE else _user(recipient),
            thread,
            texts.NUL_BODY if number == NUL_MESSAGE else _body(rng),
            _written(start + step * number),
            int(rng.random() > 0.2 * number / amounts.messages),
        )


def audit_log(amounts: Amounts, rng: Random) -> Iterator[Row]:
    """A log without a key; a payload is JSON, raw bytes or nothing."""
    for _ in range(amounts.audit_log):
        event = rng.choice(texts.EVENTS)
        details = {"user": _user(rng.randrange(amounts.users)), "agent": "Mozilla/5.0"}
        moment = _between(rng, OPENED, TODAY) + timedelta(milliseconds=rng.randrange(1000))
        kind = rng.random()
        yield (
            event,
            moment.isoformat(timespec="milliseconds") + "Z",
            json.dumps(details).encode() if kind < 0.5 else rng.randbytes(rng.randrange(0, 65)) if kind < 0.9 else None,
        )


def _user(index: int) -> int:
    return index + 1 if index + 1 < MISSING_USER else index + 2


def _teachers(amounts: Amounts) -> int:
    return max(3, amounts.users // 20)


def _written(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


def _last_login(number: int, moment: datetime) -> str:
    """Mostly one spelling; an import of 2025 and a mobile client left two more."""
    if number % 23 == 0:
        return f"{moment:%d.%m.%Y}"
    if number % 17 == 0:
        return moment.isoformat(timespec="seconds") + "Z"
    return _written(moment)


def _between(rng: Random, start: datetime, end: datetime) -> datetime:
    return start + timedelta(seconds=int((end - start).total_seconds() * rng.random()))


def _person(rng: Random, taken: dict[str, int]) -> tuple[str, str]:
    origin = rng.choice(ORIGINS)
    given, family = rng.choice(origin.given), rng.choice(origin.family)
    local = f"{given.ascii}.{family.ascii}"
    taken[local] = count = taken.get(local, 0) + 1
    address = f"{local}{count if count > 1 else ''}@{rng.choice(DOMAINS)}"
    return origin.pattern.format(given=given.written, family=family.written), address


def _activity_settings(kind: str, rng: Random) -> str | None:
    if rng.random() < 0.2:
        return None
    settings = {
        "attempts": rng.randrange(1, 4),
        "shuffle": rng.random() < 0.5,
        "minutes": rng.choice((20, 45, 90)) if kind in ("quiz", "exam") else None,
        "note": rng.choice(("", "Open book 📖", "Bring a ruler – größer als 20 cm")),
    }
    return json.dumps(settings, ensure_ascii=False)


def _body(rng: Random) -> str:
    opening = rng.choice(texts.OPENINGS)
    said = " ".join(rng.choices(texts.SENTENCES, k=1 + int(rng.random() ** 2 * 5)))
    closing = rng.choice(texts.CLOSINGS)
    return "\n".join(part for part in (opening, said, closing) if part)
