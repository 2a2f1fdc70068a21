"""The steps of a connection test, one line each: what was tried, what came of it, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from migrator_tui.migration.guide import Facts, Step
from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.wording import counted, visible

FRAMES = "◐◓◑◒"
MUTED = "$foreground 60%"
NAME_CELLS = 11
SHOWN_COUNTS = 200


class StepLines(Static):
    """Grows while the test is under way; says at its end what is there, or what is wrong."""

    DEFAULT_CSS = """
    StepLines { height: auto; padding: 0 1; }
    """

    def show(
        self, steps: Sequence[Step], *, error: MigratorError | None = None, facts: Facts | None = None, frame: int = 0
    ) -> None:
        """Show the steps.

        Args:
            error: Why the last step failed.
            frame: Counts up while the test is under way; turns the spinner.
        """
        lines: list[Content] = []
        for number, step in enumerate(steps):
            failed = error is not None and number == len(steps) - 1 and step.ok is None
            lines += _step(Step(step.name, False, "") if failed else step, frame)
        if error is not None:
            if not steps or steps[-1].ok is not None:
                lines.append(Content.assemble(("✗ ", "$error bold"), "failed"))
            lines += _error(error)
        if facts is not None:
            lines += _facts(facts)
        self.update(Content("\n").join(lines))


def _step(step: Step, frame: int) -> list[Content]:
    symbol, style = {
        None: (FRAMES[frame % len(FRAMES)], "$secondary"),
        True: ("✓", "$success"),
        False: ("✗", "$error"),
    }[step.ok]
    name = Content.styled(f"{step.name:<{NAME_CELLS}} ", "bold")
    lines = [Content.assemble((f"{symbol} ", style), name, visible(step.message))]
    return lines + [Content.assemble(("  → ", "$warning"), visible(line)) for line in step.hint.splitlines()]


def _error(error: MigratorError) -> list[Content]:
    lines = [Content.assemble((f"  {error.id}  ", "$error bold"), visible(error.message))]
    if error.hint:
        lines.append(Content.assemble(("  → ", "$warning"), visible(error.hint)))
    return lines


def _facts(facts: Facts) -> list[Content]:
    lines = [
        Content(""),
        Content.styled(
            f"PostgreSQL {facts.server_version} as {visible(facts.role)}, {facts.round_trip_ms:.1f} ms a round trip",
            "bold",
        ),
    ]
    if facts.missing:
        lines.append(
            Content.assemble(("⚠ warning  ", "$warning bold"), counted(len(facts.missing), "right"), " missing:")
        )
        lines += [Content.assemble(("  → ", "$warning"), visible(grant)) for _, grant in facts.missing]
    if not facts.counts:
        lines.append(Content.styled("The target has no tables yet.", MUTED))
        return lines
    most = sorted(facts.counts.items(), key=lambda item: (-item[1], item[0]))
    width = max(len(f"{rows:,}") for _, rows in most)
    lines += [Content.styled(f"{rows:>{width},} rows  {visible(name)}", MUTED) for name, rows in most[:SHOWN_COUNTS]]
    if len(most) > SHOWN_COUNTS:
        lines.append(Content.styled(f"and {len(most) - SHOWN_COUNTS:,} tables more", MUTED))
    return lines
