"""Publishing is confirmed once, by the name of the target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Button, Input, Static

from migrator_tui.model.plan import Action, Plan
from migrator_tui.tui import project_text
from migrator_tui.tui.dialogs.back_up import BackUp
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.wording import counted, visible

SHOWN_TABLES = 6
FRAME_LINES, FIELD_LINES, OFFER_LINES = 13, 4, 1
"""Lines of the dialog around what is published, of the field for the target's name, and of the offered backup."""
OFFERED = "Live tables have rows, and get others: back them up first"
BOTH_ENDS = "One transaction on the target, then one in the file. Both can be undone afterwards."


class Publish(Dialog[bool]):
    """Says what becomes visible. A live target's name has to be typed; one on this machine takes a button."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "not_yet", "Not yet", tooltip="Leave everything staged; publish later.", id="publish.not_yet"
        ),
        Binding("ctrl+b", "back_up", "Back up", tooltip="Back up the live tables first.", id="publish.back_up"),
    ]

    DEFAULT_CSS = """
    Publish #what { height: auto; scrollbar-size-vertical: 1; }
    Publish.-wide #what { margin: 1 0; }
    """

    def __init__(
        self,
        plan: Plan | None,
        target: str,
        *,
        typed: bool,
        changes: Sequence[str] = (),
        staying: int = 0,
        backup: Callable[[], BackUp] | None = None,
    ) -> None:
        """
        Args:
            target: The target's short name, to be typed where ``typed``.
            changes: What is written into which end, where the run writes to both.
            staying: Rows that stay behind in quarantine.
            backup: Makes what backs live tables with rows up first, where rows join some.
        """
        super().__init__()
        self.plan = plan
        self.target = target
        self.typed = typed
        self.changes = changes
        self.staying = staying
        self._backup = backup

    def compose(self) -> ComposeResult:
        """What happens, the name, two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Publish"
            yield Static(
                f"Everything is staged, and every cell was checked. Publishing to {self.target}:", markup=False
            )
            bullets = Table.grid(padding=(0, 1, 0, 0))
            for line in self.changes or effects(self.plan, self.staying):
                bullets.add_row("  •", Text(visible(line)))
            with VerticalScroll(id="what"):
                yield Static(bullets, id="lines")
            said = BOTH_ENDS if self.changes else promise(self.plan)
            yield Static(said, classes="muted", markup=False)
            if self._backup is not None:
                yield Static(f"{OFFERED}. Ctrl+B", id="backup", classes="warn", markup=False)
            if self.typed:
                yield Input(placeholder=f"type {self.target} to publish", id="name")
            with ButtonRow(classes="buttons"):
                yield Button("Not yet", id="not-yet")
                if self._backup is not None:
                    yield Button("Back up first", id="back-up")
                yield Button("Publish", id="publish", variant="primary", disabled=self.typed)

    def on_mount(self) -> None:
        """The field that asks, or the button."""
        self.query_one("#name" if self.typed else "#publish").focus()

    def on_resize(self) -> None:
        """However much is published, the question and its buttons stay in sight."""
        others = FRAME_LINES + (FIELD_LINES if self.typed else 0)
        others += OFFER_LINES if self.query("#backup") else 0
        what = self.query_one("#what", VerticalScroll)
        what.styles.max_height = max(3, self.app.size.height - others)
        what.can_focus = False

        def reachable() -> None:
            what.can_focus = what.max_scroll_y > 0

        self.call_after_refresh(reachable)

    def on_input_changed(self, event: Input.Changed) -> None:
        """The button wakes when the name is right."""
        self.query_one("#publish", Button).disabled = event.value.strip() != self.target

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter publishes where the name is right."""
        if event.value.strip() == self.target:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        if event.button.id == "back-up":
            self.action_back_up()
        else:
            self.dismiss(event.button.id == "publish")

    def action_back_up(self) -> None:
        """Back up the live tables, and come back here."""

        def answered(made: bool | None) -> None:
            if made:
                self._backup = None
                self.query_one("#backup", Static).update("✓ The live tables are backed up.")
                self.query_one("#back-up", Button).disabled = True

        if self._backup is not None:
            self.app.push_screen(self._backup(), answered)

    def action_not_yet(self) -> None:
        """Leave everything staged."""
        self.dismiss(False)


def promise(plan: Plan | None) -> str:
    """What holds of all that is published."""
    project = plan.project if plan else None
    by_api = project is not None and project.users is not None and project.users.scope.via == "api"
    if project is None or not (by_api or project.files):
        return "It is one transaction: all of it or nothing. It can be undone afterwards."
    what = [*(["files are uploaded"] if project.files else []), *(["users are made"] if by_api else [])]
    return (
        f"The tables and their access are one transaction: all of it or nothing. {' and '.join(what).capitalize()} "
        "before it. All of it can be undone afterwards."
    )


def effects(plan: Plan | None, staying: int = 0) -> list[str]:
    """What publishing a plan makes visible, one line each.

    Args:
        staying: Of its rows, those that stay behind in quarantine.
    """
    if plan is None:
        return ["what was staged becomes visible"]
    created = [table for table in plan.moved if table.action is Action.CREATE]
    merged = [table for table in plan.moved if table.action is Action.MERGE]
    lines = []
    if created:
        lines.append(f"{counted(len(created), 'new table')} with {counted(sum(t.rows for t in created), 'row')}")
    lines += [f"{counted(table.rows, 'row')} for the live table {table.target}" for table in merged[:SHOWN_TABLES]]
    if len(merged) > SHOWN_TABLES:
        rest = merged[SHOWN_TABLES:]
        lines.append(f"{counted(sum(t.rows for t in rest), 'row')} for {counted(len(rest), 'more live table')}")
    if staying:
        lines.append(f"{counted(staying, 'row')} of them stay{'s' if staying == 1 else ''} behind in quarantine")
    if plan.views:
        lines.append(counted(len(plan.views), "view"))
    if plan.enums:
        lines.append(counted(len(plan.enums), "enum type"))
    lines += project_text.beside(plan.project)
    return lines or ["nothing: the plan is empty"]
