"""The steps of a connection test, one line each: what was tried, what came of it, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from textwrap import wrap

from textual.content import Content
from textual.widgets import Static

from migrator_tui.migration.guide import Facts, Step
from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.wording import counted, homely, visible

FRAMES = "◐◓◑◒"
MUTED = "$foreground 60%"
NAME_CELLS = 11
SHOWN_COUNTS = 200


class StepLines(Static):
    """Grows while the test is under way; says at its end what is there, or what is wrong."""

    DEFAULT_CSS = """
    StepLines { height: auto; padding: 0 1; }
    """

    def __init__(self, empty: str, *, id: str | None = None) -> None:
        """``empty`` is shown before the first test."""
        super().__init__(empty, id=id)
        self._shown: tuple[Sequence[Step], MigratorError | None, Facts | None, int] | None = None

    def show(
        self, steps: Sequence[Step], *, error: MigratorError | None = None, facts: Facts | None = None, frame: int = 0
    ) -> None:
        """Show the steps.

        Args:
            error: Why the last step failed.
            frame: Counts up while the test is under way; turns the spinner.
        """
        self._shown = (steps, error, facts, frame)
        self._lay_out()

    def on_resize(self) -> None:
        """Break the lines elsewhere."""
        self._lay_out()

    def _lay_out(self) -> None:
        if self._shown is None:
            return
        steps, error, facts, frame = self._shown
        width = self.content_size.width or 70
        lines: list[Content] = []
        for number, step in enumerate(steps):
            failed = error is not None and number == len(steps) - 1 and step.ok is None
            lines += _step(replace(step, ok=False) if failed else step, frame, width)
        if error is not None:
            if not steps or steps[-1].ok is not None:
                lines.append(Content.assemble(("✗ ", "$error bold"), "failed"))
            lines += _hanging(f"  {error.id}  ", "$error bold", error.message, width, indent=2)
            lines += _hanging("  → ", "$warning", error.hint, width) if error.hint else []
        if facts is not None:
            lines += _facts(facts, width)
        self.update(Content("\n").join(lines))


def _hanging(start: str, style: str, text: str, width: int, *, indent: int | None = None) -> list[Content]:
    """Text after a start, its further lines indented by as much or by ``indent``."""
    hang = " " * (len(start) if indent is None else indent)
    broken: list[str] = []
    for line in visible(text).splitlines() or [""]:
        first = start if not broken else hang
        wrapped = wrap(line, max(20, width), initial_indent=first, subsequent_indent=hang, break_on_hyphens=False)
        broken += wrapped or [first]
    return [Content.assemble((start, style), broken[0][len(start) :]), *(Content(line) for line in broken[1:])]


def _step(step: Step, frame: int, width: int) -> list[Content]:
    symbol, style = {
        None: (FRAMES[frame % len(FRAMES)], "$secondary"),
        True: ("✓", "$success"),
        False: ("✗", "$error"),
    }[step.ok]
    lines = _hanging(f"{symbol} {step.name:<{NAME_CELLS}} ", f"{style} bold", homely(step.message), width)
    for line in step.hint.splitlines():
        lines += _hanging("  → ", "$warning", line, width)
    return lines


def _facts(facts: Facts, width: int) -> list[Content]:
    said = f"PostgreSQL {facts.server_version} as {facts.role}, {facts.round_trip_ms:.1f} ms a round trip"
    lines = [Content(""), *_hanging("", "", said, width)]
    if facts.missing:
        rights = counted(len(facts.missing), "right")
        lines += _hanging("⚠ warning  ", "$warning bold", f"{rights} missing; the owner can give them:", width)
        for _, grant in facts.missing:
            lines += _hanging("  ", "", f"{grant}", width)
    if not facts.counts:
        lines.append(Content.styled("The target has no tables yet.", MUTED))
        return lines
    most = sorted(facts.counts.items(), key=lambda item: (-item[1], item[0]))
    cells = max(len(f"{rows:,}") for _, rows in most)
    lines += [Content.styled(f"{rows:>{cells},} rows  {visible(name)}", MUTED) for name, rows in most[:SHOWN_COUNTS]]
    if len(most) > SHOWN_COUNTS:
        lines.append(Content.styled(f"and {len(most) - SHOWN_COUNTS:,} tables more", MUTED))
    return lines
