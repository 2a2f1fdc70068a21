"""Connect: both ends, tested step by step before anything is planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, Label, RadioButton, RadioSet, Select, Static

from migrator_tui.config import EMBEDDED
from migrator_tui.migration.ends import is_sqlite
from migrator_tui.migration.guide import Ends, Offer
from migrator_tui.model.errors import MigratorError, SourceError, UsageError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.target import Target
from migrator_tui.tui.attempt import Attempt
from migrator_tui.tui.dialogs.pick_file import PickFile
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.target_text import Fields, HidePassword, fields_of, url_of, without_password
from migrator_tui.tui.widgets.masthead import Masthead
from migrator_tui.tui.widgets.path_suggester import PathSuggester
from migrator_tui.tui.widgets.step_lines import StepLines

POLL_SECONDS = 0.1
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


class ConnectScreen(StepScreen):
    """A form on the left, the test on the right; below each other on a narrow terminal."""

    STEP = Step.CONNECT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "test", "Test", tooltip="Test both ends, or go on where that is done.", id="connect.test"),
        Binding("ctrl+o", "pick", "Browse", tooltip="Choose the SQLite file from a tree.", id="connect.pick"),
        Binding("ctrl+g", "view", "URL/fields", tooltip="The target as a URL, as fields, embedded.", id="connect.view"),
    ]
    DEFAULT_CSS = """
    ConnectScreen #split { height: 1fr; layout: horizontal; }
    ConnectScreen #form { width: 1fr; height: 100%; padding: 0 1; scrollbar-size-vertical: 1; }
    ConnectScreen #test { width: 1fr; height: 100%; border: round $border-blurred; scrollbar-size-vertical: 1; }
    ConnectScreen #test { border-title-color: $foreground; }
    ConnectScreen #test:focus { border: round $primary; }
    ConnectScreen.-narrow #split { layout: vertical; }
    ConnectScreen.-narrow #form { width: 100%; height: auto; max-height: 12; }
    ConnectScreen.-narrow #test { width: 100%; height: 1fr; }
    ConnectScreen .row { height: 1; margin: 0; }
    ConnectScreen.-wide .row { margin: 1 0 0 0; }
    ConnectScreen .row Label { width: 10; color: $text-muted; }
    ConnectScreen .row Input { width: 1fr; background: $surface; }
    ConnectScreen .row Input:focus { background: $panel; }
    ConnectScreen .row Input.-short { width: 8; }
    ConnectScreen .row Label.-next { width: auto; padding: 0 1; }
    ConnectScreen .row Button { min-width: 8; margin: 0 0 0 1; }
    ConnectScreen .row Select { width: 1fr; }
    ConnectScreen .row RadioSet { width: 1fr; layout: horizontal; background: transparent; }
    ConnectScreen .row RadioButton { width: auto; margin: 0 2 0 0; }
    ConnectScreen .row Checkbox { width: auto; background: transparent; }
    ConnectScreen Checkbox > .toggle--button { color: $panel; background: $panel; }
    ConnectScreen RadioSet > RadioButton > .toggle--button { color: $panel; background: $panel; }
    ConnectScreen Checkbox.-on > .toggle--button { color: $success; }
    ConnectScreen RadioSet > RadioButton.-on > .toggle--button { color: $success; }
    ConnectScreen .note { height: 1; margin: 0 0 0 10; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    ConnectScreen .note.-good { color: $success; }
    ConnectScreen .note.-bad { color: $error; }
    ConnectScreen .-gone { display: none; }
    ConnectScreen #bar { height: 1; padding: 0 1; }
    ConnectScreen #bar Static { width: 1fr; color: $text-muted; }
    ConnectScreen #bar Button { min-width: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._attempt: Attempt | None = None
        self._frame = 0
        self._offers: Sequence[Offer] = ()
        self._base: Ends | None = None
        self._parameters = Fields().parameters
        self._view = AS_URL

    def compose_body(self) -> ComposeResult:
        """The form, the test, what Enter does."""
        fresh = self.session.ends is not None and self.session.ends.fresh
        with Container(id="split"):
            with VerticalScroll(id="form", can_focus=False, disabled=fresh):
                yield _row("profile", Select[int]([], prompt="none", compact=True, id="profile"), id="profile-row")
                suggester = PathSuggester(self.migrator.folder)
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
                        RadioButton("URL", id=AS_URL, compact=True),
                        RadioButton("fields", id=AS_FIELDS, compact=True),
                        RadioButton("embedded", id=AS_EMBEDDED, compact=True),
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
                    Input(
                        placeholder="empty: PGPASSWORD, ~/.pgpass, keyring", password=True, compact=True, id="password"
                    ),
                    Checkbox("keep in keyring", compact=True, id="keep"),
                    id="password-row",
                )
                yield Static("", id="target-note", classes="note", markup=False)
            with VerticalScroll(id="test") as panel:
                panel.border_title = "Connection test"
                yield StepLines("Enter tests both ends: connection, rights, round trip, rows.", id="steps")
        with Horizontal(id="bar"):
            yield Static("", id="said", markup=False)
            yield Button("Test", id="go", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Fill in what is known; test at once what nobody has to fill in."""
        self.set_interval(POLL_SECONDS, self._poll)
        self.query_one("#profile-row").add_class("-gone")
        ends, bench = self.session.ends, self.session.bench
        self._fill(ends)
        if ends is None and self.session.offered is not None:
            self.query_one("#source", Input).value = str(self.session.offered)
        if bench is not None:
            self.query_one(StepLines).show((), facts=bench.facts)
            self._connected()
        elif ends is not None and ends.fresh:
            self.action_test()
        else:
            self._first_field().focus()
        if not self.migrator.running and (ends is None or not ends.fresh):
            self.run_worker(self._look_for_profiles, thread=True, exit_on_error=False)

    def on_unmount(self) -> None:
        """Nobody waits for the test any more."""
        if self._attempt is not None:
            self._attempt.give_up()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The demo's ends are what they are."""
        if action in ("pick", "view"):
            return not self.query_one("#form").disabled
        return True

    # ── the form ────────────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, ends: Ends | None) -> None:
        self._base = ends
        target = ends.target if ends is not None else ""
        view = AS_EMBEDDED if target == EMBEDDED else AS_URL
        with self.prevent(Input.Changed):
            self.query_one(f"#{view}", RadioButton).value = True
            self.query_one("#source", Input).value = str(ends.source) if ends is not None else ""
            uploads = ends.uploads if ends is not None else None
            self.query_one("#uploads", Input).value = str(uploads) if uploads is not None else ""
            self.query_one("#url", Input).value = "" if target == EMBEDDED else target
            password = self.session.password
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
        embedded = "ℹ Nothing to install: this program brings a PostgreSQL along, for this machine."
        self._note("target-note", embedded if view == AS_EMBEDDED else "")

    def _first_field(self) -> Widget:
        """What is to be filled in next, or the button."""
        if not self.query_one("#source", Input).value:
            return self.query_one("#source")
        if self._view == AS_URL and not self.query_one("#url", Input).value:
            return self.query_one("#url")
        if self._view == AS_FIELDS and not self.query_one("#host", Input).value:
            return self.query_one("#host")
        return self.query_one("#go")

    def _look_for_profiles(self) -> None:
        offers = self.guide.offers(self.migrator.folder)
        self.app.call_from_thread(self._offer_profiles, [offer for offer in offers if offer.ends is not None])

    def _offer_profiles(self, profiles: Sequence[Offer]) -> None:
        if not self.is_attached or not profiles:
            return
        self._offers = profiles
        select: Select[int] = self.query_one("#profile", Select)
        select.set_options([(offer.label, number) for number, offer in enumerate(profiles)])
        self.query_one("#profile-row").remove_class("-gone")

    def on_select_changed(self, event: Select.Changed) -> None:
        """A profile fills the form."""
        if isinstance(event.value, int) and event.value < len(self._offers):
            self._fill(self._offers[event.value].ends)
            self._changed()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was tested is no longer what stands here."""
        if event.input.id == "source":
            self._judge_source()
        elif event.input.id in ("url", "host", "port", "user", "database"):
            self._note("target-note", "")
        self._changed()

    def on_input_blurred(self, event: Input.Blurred) -> None:
        """A password that came with the URL goes to its own field."""
        if event.input.id == "url":
            self._take_password_out()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter tests, or goes on."""
        self.action_test()

    def on_radio_set_changed(self, event: RadioSet.Changed) -> None:
        """The other view of the same target."""
        view = event.pressed.id or AS_URL
        if view == self._view:
            return
        self._take_password_out()
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
        self._changed()

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

    def _take_password_out(self) -> None:
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
            return (self.migrator.folder / Path(text).expanduser()).absolute()
        except RuntimeError:  # no such user's home
            return (self.migrator.folder / text).absolute()

    def _note(self, id: str, text: str, style: str = "") -> None:
        note = self.query_one(f"#{id}", Static)
        note.update(text)
        note.set_classes(f"note {style}".strip())

    def _ends(self) -> Ends:
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

    def _password(self) -> Secret | None:
        text = self.query_one("#password", Input).value
        return Secret(text) if text and self._view != AS_EMBEDDED else None

    # ── the test ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_open(self) -> bool:
        """What stands in the form is what was opened."""
        if self.session.bench is None:
            return False
        try:
            return self._ends() == self.session.ends and self._password() == self.session.password
        except MigratorError:
            return False

    def _changed(self) -> None:
        is_open = self._is_open
        self.query_one("#go", Button).label = "Continue" if is_open else "Test"
        if self._attempt is None:
            self.query_one("#said", Static).update("Enter goes on to Compare." if is_open else "Enter tests both ends.")

    def action_test(self) -> None:
        """Test both ends; go on where they are open already."""
        if self._attempt is not None:
            return
        self._take_password_out()
        if self._is_open:
            self.go_on()
            return
        if self.migrator.running:
            self.notify("A migration is at work. Go back to it and cancel it first.", severity="warning")
            return
        try:
            ends = self._ends()
        except MigratorError as error:
            self._failed(error)
            return
        keep = self.query_one("#keep", Checkbox).value
        self._attempt = Attempt(self.guide, ends, self._password(), keep_password=keep)
        self._attempt.start()
        self.query_one("#go", Button).disabled = True
        self.query_one("#said", Static).update("Testing… Esc cancels.")
        self.query_one("#test").focus()

    def _poll(self) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        self._frame += 1
        if not attempt.ended:
            self.query_one(StepLines).show(attempt.steps, frame=self._frame // 2)
            return
        self._attempt = None
        if attempt.bench is None:
            assert attempt.error is not None
            self.query_one(StepLines).show(attempt.steps, error=attempt.error)
            self._failed(attempt.error, shown=True)
            return
        if self.session.ends != attempt.ends:
            self.session.begin(attempt.ends)
        self.session.close()
        self.session.plan = None
        self.session.password, self.session.bench = attempt.password, attempt.bench
        self._base = attempt.ends
        self.query_one(StepLines).show(attempt.steps, facts=attempt.bench.facts)
        self.query_one(Masthead).show(attempt.ends, attempt.bench.facts)
        self._connected()

    def _failed(self, error: MigratorError, *, shown: bool = False) -> None:
        if not shown:
            self.query_one(StepLines).show((), error=error)
        button = self.query_one("#go", Button)
        button.label, button.disabled = "Test", False
        self.query_one("#said", Static).update(f"✗ {error.id}. Change it, and Enter tests again.")
        self._field_of(error).focus()

    def _field_of(self, error: MigratorError) -> Widget:
        names = ("source",) if isinstance(error, SourceError) else FIELD_OF_ERROR.get(error.id, ())
        fields = (self.query_one(f"#{name}", Input) for name in names)
        return next((field for field in fields if field.focusable and _in_sight(field)), self.query_one("#go"))

    def _connected(self) -> None:
        bench = self.session.bench
        missing = len(bench.facts.missing) if bench is not None else 0
        rights = f" {missing} missing rights: see above." if missing else ""
        self.query_one("#said", Static).update(f"✓ Both ends are open.{rights} Enter goes on to Compare.")
        button = self.query_one("#go", Button)
        button.label, button.disabled = "Continue", False
        button.focus()
        self.query_one("#test").scroll_home(animate=False)

    def action_back(self) -> None:
        """Cancel the test, or go home."""
        if self._attempt is None:
            super().action_back()
            return
        self._attempt.give_up()
        steps, self._attempt = self._attempt.steps, None
        hint = "Nothing was changed. Enter tests again."
        self.query_one(StepLines).show(steps, error=MigratorError("CANCELLED", "The test was cancelled.", hint))
        button = self.query_one("#go", Button)
        button.label, button.disabled = "Test", False
        self.query_one("#said", Static).update("Cancelled. Enter tests again.")
        button.focus()

    # ── keys and buttons ────────────────────────────────────────────────────────────────────────────────────────

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Test or go on; browse."""
        if event.button.id == "go":
            self.action_test()
        elif event.button.id == "browse":
            self.action_pick()
        elif event.button.id == "browse-uploads":
            self._pick("uploads", folders=True)

    def action_view(self) -> None:
        """The next view of the target."""
        order = (AS_URL, AS_FIELDS, AS_EMBEDDED)
        self.query_one(f"#{order[(order.index(self._view) + 1) % len(order)]}", RadioButton).value = True

    def action_pick(self) -> None:
        """Choose the SQLite file."""
        self._pick("source")

    def _pick(self, name: str, *, folders: bool = False) -> None:
        now = self._path(name)
        place = now if now is not None and now.is_dir() else now.parent if now is not None else None

        def chosen(path: Path | None) -> None:
            field = self.query_one(f"#{name}", Input)
            if path is not None:
                field.value = str(path)
            self._first_field().focus() if path is not None else field.focus()

        start = place if place is not None and place.is_dir() else self.migrator.folder
        self.app.push_screen(PickFile(start, folders=folders), chosen)


def _row(label: str, *widgets: Widget, id: str | None = None) -> Horizontal:
    return Horizontal(Label(label), *widgets, classes="row", id=id)


def _in_sight(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
