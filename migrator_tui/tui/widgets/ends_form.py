"""The form of the two ends: a file, a folder, a target in three views, a password."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, Label, RadioButton, RadioSet, Select, Static

from migrator_tui.locations import EMBEDDED
from migrator_tui.migration.ends import is_sqlite
from migrator_tui.migration.guide import Ends, Offer
from migrator_tui.model.errors import MigratorError, SourceError, UsageError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.target import Target
from migrator_tui.tui.dialogs.pick_file import PickFile
from migrator_tui.tui.target_text import Fields, HidePassword, fields_of, url_of, without_password
from migrator_tui.tui.widgets.option_lines import Dropdown
from migrator_tui.tui.widgets.path_suggester import PathSuggester
from migrator_tui.tui.wording import at_home

AS_URL, AS_FIELDS, AS_EMBEDDED = "as-url", "as-fields", "as-embedded"
FIELD_OF_ERROR = {
    "TARGET-PASSWORD": ("password",),
    "TARGET-HOST": ("host", "url"),
    "TARGET-UNREACHABLE": ("host", "url"),
    "TARGET-PORT": ("port", "url"),
    "TARGET-ROLE": ("user", "url"),
    "TARGET-DATABASE": ("database", "url"),
    "TARGET-TLS": ("url", "host"),
    "TARGET-URL": ("url", "host"),
}
"""Which fields an error is about, the best first; the first that is in sight gets the focus."""


class Radio(RadioButton):
    """``○`` or ``●``: which one is chosen is told by a sign, not by a colour alone."""

    def render(self) -> Content:
        """The sign and the label."""
        self.BUTTON_INNER = "●" if self.value else "○"
        return super().render()


class Tick(Checkbox):
    """With a tick or without one: which it is is told by a sign, not by a colour alone."""

    def render(self) -> Content:
        """The sign and the label."""
        self.BUTTON_INNER = "✓" if self.value else " "
        return super().render()


class EndsForm(VerticalScroll, can_focus=False):
    """Says by :class:`Changed` that something else stands in it, and by :class:`Submitted` that Enter was pressed."""

    DEFAULT_CSS = """
    EndsForm .row { height: 1; margin: 0; }
    .-wide EndsForm .row { margin: 1 0 0 0; }
    EndsForm .row Label { width: 10; color: $text-muted; }
    EndsForm .row Input { width: 1fr; background: $surface; }
    EndsForm .row Input:focus { background: $panel; }
    EndsForm .row Input.-short { width: 8; }
    EndsForm .row Label.-next { width: auto; padding: 0 1; }
    EndsForm .row Button { min-width: 8; margin: 0 0 0 1; }
    EndsForm .row Select { width: 1fr; }
    EndsForm .row RadioSet { width: 1fr; layout: horizontal; background: transparent; }
    EndsForm .row RadioButton { width: auto; margin: 0 2 0 0; }
    EndsForm .row Checkbox { width: auto; background: transparent; }
    EndsForm Checkbox > .toggle--button { color: $panel; background: $panel; }
    EndsForm RadioSet > RadioButton > .toggle--button { color: $text-muted; background: $panel; }
    EndsForm Checkbox.-on > .toggle--button { color: $success; }
    EndsForm RadioSet > RadioButton.-on > .toggle--button { color: $success; }
    EndsForm .note { height: 1; margin: 0 0 0 10; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    EndsForm .note.-good { color: $success; }
    EndsForm .note.-bad { color: $error; }
    EndsForm .-gone { display: none; }
    """

    class Changed(Message):
        """Something else stands in the form."""

    class Submitted(Message):
        """Enter was pressed in a field."""

    def __init__(self, folder: Path, *, id: str | None = None, disabled: bool = False) -> None:
        """``folder`` is where relative paths begin."""
        super().__init__(id=id, disabled=disabled)
        self._folder = folder
        self._offers: Sequence[Offer] = ()
        self._base: Ends | None = None
        self._parameters = Fields().parameters
        self._view = AS_URL

    def compose(self) -> ComposeResult:
        """A row a thing."""
        yield _row("profile", Dropdown[int]([], prompt="none", compact=True, id="profile"), id="profile-row")
        suggester = PathSuggester(self._folder)
        yield _row(
            "source",
            Input(placeholder="path of the SQLite file", compact=True, suggester=suggester, id="source"),
            Button("Browse…", compact=True, id="browse"),
        )
        yield Static("", id="source-note", classes="note", markup=False)
        yield _row(
            "uploads",
            Input(
                placeholder="folder with the files that rows name, if any",
                compact=True,
                suggester=suggester,
                id="uploads",
            ),
            Button("Browse…", compact=True, id="browse-uploads"),
        )
        yield _row(
            "target",
            RadioSet(
                Radio("URL", id=AS_URL, compact=True),
                Radio("fields", id=AS_FIELDS, compact=True),
                Radio("embedded", id=AS_EMBEDDED, compact=True),
                compact=True,
                id="view",
            ),
        )
        yield _row(
            "",
            Input(
                placeholder="postgresql://user@host:5432/database",
                compact=True,
                highlighter=HidePassword(),
                id="url",
            ),
            id="url-row",
        )
        yield _row(
            "host",
            Input(placeholder="db.example.com", compact=True, id="host"),
            Label("port", classes="-next"),
            Input(compact=True, id="port", classes="-short"),
            id="host-row",
        )
        yield _row(
            "user",
            Input(compact=True, id="user"),
            Label("database", classes="-next"),
            Input(compact=True, id="database"),
            id="user-row",
        )
        yield _row(
            "password",
            Input(placeholder="empty: PGPASSWORD, ~/.pgpass, keyring", password=True, compact=True, id="password"),
            Tick("keep in keyring", compact=True, id="keep"),
            id="password-row",
        )
        yield Static("", id="target-note", classes="note", markup=False)

    def on_mount(self) -> None:
        """Profiles are offered when they are found."""
        self.query_one("#profile-row").add_class("-gone")

    def opened(self, ends: Ends) -> None:
        """What stands in the form was opened: from now on it is where changes begin."""
        self._base = ends

    def fill(self, ends: Ends | None, password: Secret | None, *, offered: Path | None = None) -> None:
        """Fill in what is known; ``offered`` is a source without a target."""
        self._base = ends
        target = ends.target if ends is not None else ""
        view = AS_EMBEDDED if target == EMBEDDED else AS_URL
        with self.prevent(Input.Changed):
            self.query_one(f"#{view}", RadioButton).value = True
            self.query_one("#source", Input).value = _shown(ends.source if ends is not None else offered)
            uploads = ends.uploads if ends is not None else None
            self.query_one("#uploads", Input).value = _shown(uploads)
            self.query_one("#url", Input).value = "" if target == EMBEDDED else target
            self.query_one("#password", Input).value = password.reveal() if password is not None else ""
        self._show_view(view)
        self._judge_source()

    def _show_view(self, view: str) -> None:
        self._view = view
        for name, views in (
            ("url-row", (AS_URL,)),
            ("host-row", (AS_FIELDS,)),
            ("user-row", (AS_FIELDS,)),
            ("password-row", (AS_URL, AS_FIELDS)),
        ):
            self.query_one(f"#{name}").set_class(view not in views, "-gone")
        embedded = "ℹ The PostgreSQL that this program brings along."
        self._note("target-note", embedded if view == AS_EMBEDDED else "")

    def first_field(self) -> Widget | None:
        """What is to be filled in next, if anything."""
        if not self.query_one("#source", Input).value:
            return self.query_one("#source")
        if self._view == AS_URL and not self.query_one("#url", Input).value:
            return self.query_one("#url")
        if self._view == AS_FIELDS and not self.query_one("#host", Input).value:
            return self.query_one("#host")
        return None

    def offer_profiles(self, profiles: Sequence[Offer]) -> None:
        """Profiles to fill the form from."""
        self._offers = profiles
        select: Select[int] = self.query_one("#profile", Select)
        select.set_options([(offer.label, number) for number, offer in enumerate(profiles)])
        self.query_one("#profile-row").remove_class("-gone")

    def on_select_changed(self, event: Select.Changed) -> None:
        """A profile fills the form."""
        if isinstance(event.value, int) and event.value < len(self._offers):
            offer = self._offers[event.value]
            self.fill(offer.ends, offer.password)
            self.post_message(self.Changed())

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was tested is no longer what stands here."""
        if event.input.id == "source":
            self._judge_source()
        elif event.input.id in ("url", "host", "port", "user", "database"):
            self._note("target-note", "")
        self.post_message(self.Changed())

    def on_input_blurred(self, event: Input.Blurred) -> None:
        """A password that came with the URL goes to its own field."""
        if event.input.id == "url":
            self.take_password_out()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter tests, or goes on."""
        self.post_message(self.Submitted())

    def on_radio_set_changed(self, event: RadioSet.Changed) -> None:
        """The other view of the same target."""
        view = event.pressed.id or AS_URL
        if view == self._view:
            return
        self.take_password_out()
        trouble = ""
        with self.prevent(Input.Changed):
            if view == AS_FIELDS:
                trouble = self._url_to_fields()
            elif view == AS_URL and self.query_one("#host", Input).value.strip():
                try:
                    self.query_one("#url", Input).value = url_of(self._fields())
                except UsageError as error:
                    trouble = error.message
        self._show_view(view)
        if trouble:
            self._note("target-note", f"✗ {trouble}", "-bad")
        self.post_message(self.Changed())

    def _url_to_fields(self) -> str:
        """Fill the fields; says what is wrong with the URL."""
        url, fields, trouble = self.query_one("#url", Input).value.strip(), Fields(), ""
        if url:
            try:
                fields = fields_of(url)
            except UsageError as error:
                trouble = error.message
        self._parameters = fields.parameters
        for name in ("host", "port", "user", "database"):
            self.query_one(f"#{name}", Input).value = getattr(fields, name)
        return trouble

    def _fields(self) -> Fields:
        host, port, database, user = (
            self.query_one(f"#{n}", Input).value for n in ("host", "port", "database", "user")
        )
        return Fields(host, port, database, user, self._parameters)

    def take_password_out(self) -> None:
        """Move a password that came with the URL to its own field."""
        field = self.query_one("#url", Input)
        url, password = without_password(field.value)
        if url != field.value:
            field.value = url
        if password is not None:
            self.query_one("#password", Input).value = password.reveal()
            self._note("target-note", "ℹ The URL's password is in its own field now.")

    def _judge_source(self) -> None:
        path = self._path("source")
        if path is None:
            self._note("source-note", "")
        elif is_sqlite(path):
            self._note("source-note", f"✓ SQLite database, {path.stat().st_size:,} bytes", "-good")
        elif path.is_dir():
            self._note("source-note", "ℹ a folder; go on typing, or ctrl+o")
        else:
            self._note("source-note", "✗ not a SQLite database" if path.exists() else "✗ there is no such file", "-bad")

    def _path(self, name: str) -> Path | None:
        text = self.query_one(f"#{name}", Input).value.strip().replace("\0", "")
        if not text:
            return None
        try:
            return (self._folder / Path(text).expanduser()).absolute()
        except RuntimeError:  # no such user's home
            return (self._folder / text).absolute()

    def _note(self, id: str, text: str, style: str = "") -> None:
        note = self.query_one(f"#{id}", Static)
        note.update(text)
        note.set_classes(f"note {style}".strip())

    def ends(self) -> Ends:
        """The ends as the form has them.

        Raises:
            MigratorError: What is missing or cannot be.
        """
        source = self._path("source")
        if source is None:
            raise SourceError("SOURCE-NOT-GIVEN", "No SQLite file is named.", "Type its path, or choose it by ctrl+o.")
        if self._view == AS_EMBEDDED:
            target = EMBEDDED
        elif self._view == AS_FIELDS:
            target = url_of(self._fields())
        else:
            url = self.query_one("#url", Input).value.strip()
            if not url:
                hint = "Type its URL or its fields, or choose the embedded server."
                raise UsageError("TARGET-URL", "No target is named.", hint)
            target = EMBEDDED if url == EMBEDDED else Target.parse(url).display
        uploads = self._path("uploads")
        base = self._base
        if base is None:
            return Ends(source, target, uploads=uploads)
        if base.target == target:
            return replace(base, source=source, uploads=uploads)
        return replace(base, source=source, target=target, uploads=uploads, embedded_folder=None, database=None)

    def password(self) -> Secret | None:
        """The password as typed."""
        text = self.query_one("#password", Input).value
        return Secret(text) if text and self._view != AS_EMBEDDED else None

    def field_of(self, error: MigratorError) -> Widget | None:
        """The field that an error is about, if it is about one."""
        names = ("source",) if isinstance(error, SourceError) else FIELD_OF_ERROR.get(error.id, ())
        fields = (self.query_one(f"#{name}", Input) for name in names)
        return next((field for field in fields if field.focusable and _in_sight(field)), None)

    def next_view(self) -> None:
        """The next view of the target."""
        order = (AS_URL, AS_FIELDS, AS_EMBEDDED)
        self.query_one(f"#{order[(order.index(self._view) + 1) % len(order)]}", RadioButton).value = True

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Browse."""
        event.stop()
        self.pick("uploads" if event.button.id == "browse-uploads" else "source")

    def pick(self, name: str) -> None:
        """Choose the file of ``source`` or the folder of ``uploads`` from a tree."""
        now = self._path(name)
        place = now if now is not None and now.is_dir() else now.parent if now is not None else None

        def chosen(path: Path | None) -> None:
            field = self.query_one(f"#{name}", Input)
            if path is not None:
                field.value = _shown(path)
            (field if path is None else self.first_field() or field).focus()

        start = place if place is not None and place.is_dir() else self._folder
        self.app.push_screen(PickFile(start, folders=name == "uploads"), chosen)


def _row(label: str, *widgets: Widget, id: str | None = None) -> Horizontal:
    return Horizontal(Label(label), *widgets, classes="row", id=id)


def _in_sight(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def _shown(path: Path | None) -> str:
    return at_home(path) if path is not None else ""
