"""The quick table draws what Rich's draws."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from migrator_tui.tui.widgets.field_table import FieldTable

VALUES = (
    Text("about " * 12),
    Text("x" * 90, "bold underline"),
    Text.assemble(("名前の", "bold"), " e\u0301 ", ("😀" * 20, "dim")),
    Text("a\nb\n"),
    Text("NULL", "italic"),
    Text(""),
    Text("trailing   "),
)


def drawn(segments: Iterable[Segment]) -> list[list[tuple[str, Style]]]:
    """Each line's characters with their styles, and nothing of the blanks."""
    lines: list[list[tuple[str, Style]]] = [[]]
    for segment in segments:
        for character in segment.text:
            if character == "\n":
                lines.append([])
            else:
                lines[-1].append((character, Style() if character == " " else segment.style or Style()))
    for line in lines:
        while line and line[-1][0] == " ":
            line.pop()
    return lines


@pytest.mark.parametrize("width", [10, 30, 61, 120])
@pytest.mark.parametrize("stacked", [True, False])
def test_fields_are_drawn_as_rich_draws_them(width: int, stacked: bool) -> None:
    table = FieldTable(header_style="bold")
    table.add_column("  field", no_wrap=True, max_width=32)
    if stacked:
        table.add_column("", no_wrap=True)
    else:
        table.add_column("source ✓ kept", ratio=1)
    table.add_column("target", ratio=1)
    for number, ours in enumerate(VALUES):
        label = Text("\n").join([Text(f"≠ {'name' * number}", "bold"), Text("  only case differs", "italic")])
        table.add_row(label, Text("source") if stacked else ours, VALUES[number - 1], style="dim" if number % 2 else "")
    console = Console(width=width, color_system="truecolor")
    options = console.options.update(width=width, highlight=False)
    by_rich = [part for part in Table.__rich_console__(table, console, options) if isinstance(part, Segment)]
    assert drawn(console.render(table, options)) == drawn(by_rich)
