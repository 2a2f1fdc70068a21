"""The tables of a source to choose from, and the columns of the one at the cursor; any number of either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from migrator_tui.model.plan import Action
from migrator_tui.tui.widgets.line_list import LineList, Part, fit
from migrator_tui.tui.wording import sized

ACTIONS = {Action.CREATE: ("+", "create", "accent"), Action.MERGE: ("≈", "merge", "busy")}
LEFT_OUT = ("−", "left out", "muted")
CHECKBOX_CELLS = 5
CODEC_CELLS = 30


@dataclass(frozen=True, slots=True)
class TableChoice:
    """One table of the source.

    Attributes:
        taken: It is part of the migration.
        rows, bytes: None where they are not known.
        action: What the plan does with it, None while the plan is not there yet.
    """

    source: str
    taken: bool
    rows: int | None
    bytes: int | None
    target: str
    action: Action | None


class Order(Enum):
    """How the tables are sorted."""

    SOURCE = "as in the source"
    ROWS = "by rows"
    NAME = "by name"


class TableList(LineList):
    """Checkbox, name, rows, size, action, target."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._all: Sequence[TableChoice] = ()
        self._shown: Sequence[TableChoice] = ()
        self.filter = ""
        self.order = Order.SOURCE

    def show(self, tables: Sequence[TableChoice]) -> None:
        """Show these; the cursor stays on its table."""
        self._all = tables
        self._arrange()

    def set_filter(self, text: str) -> None:
        """Only tables with that text in their name, here or on the target."""
        self.filter = text
        self._arrange()

    def next_order(self) -> Order:
        """Sort the next way."""
        orders = list(Order)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self._arrange()
        return self.order

    @property
    def current(self) -> TableChoice | None:
        """The table at the cursor."""
        return self._shown[self.cursor] if self.cursor is not None else None

    @property
    def shown(self) -> Sequence[TableChoice]:
        """The tables that pass the filter."""
        return self._shown

    def count(self) -> int:
        """Tables that pass the filter."""
        return len(self._shown)

    def heading(self, width: int) -> str | None:
        """Names of the columns."""
        name, target = self._widths(width)
        return f"     {'table':<{name}} {'rows':>11} {'size':>9}  {'action':<11}{'target':<{target}}"

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """One table."""
        table = self._shown[index]
        name, target = self._widths(width)
        text = "strong" if table.taken else "muted"
        rows = f"{table.rows:,}" if table.rows is not None else "?"
        size = sized(table.bytes) if table.bytes is not None else "?"
        symbol, word, style = (
            ("◌", "planning", "muted") if table.action is None else ACTIONS.get(table.action, LEFT_OUT)
        )
        if not table.taken:
            symbol, word, style = LEFT_OUT
        return [
            (" [✓] " if table.taken else " [ ] ", "accent" if table.taken else "muted"),
            (fit(table.source, name), text),
            (f" {rows:>11} {size:>9}  ", "plain" if table.taken else "muted"),
            (f"{symbol} {word:<9}", style),
            (fit(table.target if table.taken else "", target), "plain"),
        ]

    def _widths(self, width: int) -> tuple[int, int]:
        rest = width - CHECKBOX_CELLS - 11 - 9 - 11 - 5
        name = max(12, rest * 55 // 100)
        return name, max(0, rest - name)

    def _arrange(self) -> None:
        keep = self.current
        shown = [t for t in self._all if self.filter in t.source.lower() or self.filter in t.target.lower()]
        if self.order is Order.ROWS:
            shown.sort(key=lambda t: -(t.rows or 0))
        elif self.order is Order.NAME:
            shown.sort(key=lambda t: t.source.lower())
        self._shown = shown
        at = next((i for i, t in enumerate(shown) if keep and t.source == keep.source), None)
        self.rows_changed(at)


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """One column of a table; ``target`` is None where it is left behind."""

    source: str
    declared: str
    target: str | None
    type: str = ""
    codec: str = ""


class ColumnList(LineList):
    """Each column with what it becomes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns: Sequence[ColumnChoice] = ()

    def show(self, columns: Sequence[ColumnChoice], *, same_table: bool) -> None:
        """Show these; the cursor stays where it is in the same table, else goes to the first."""
        self._columns = columns
        self.rows_changed(None if same_table else 0)

    @property
    def current(self) -> ColumnChoice | None:
        """The column at the cursor."""
        return self._columns[self.cursor] if self.cursor is not None else None

    def count(self) -> int:
        """Columns of the table."""
        return len(self._columns)

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """One column."""
        column = self._columns[index]
        name = max(10, width * 32 // 100)
        rest = width - name - 4
        if column.target is None:
            return [("✗ ", "warn"), (fit(column.source, name), "muted"), (fit("  left behind", rest), "warn")]
        named = column.type.replace('"', "")
        kind = named if column.target == column.source else f"{column.target} {named}"
        # What follows the colon may be a key of the run's own; what is long says nothing to a person.
        codec = column.codec if len(column.codec) <= CODEC_CELLS else column.codec.partition(":")[0]
        codec = f" · {codec}" if codec and codec != "text" else ""
        return [
            ("  ", "plain"),
            (fit(column.source, name), "plain"),
            ("→ ", "muted"),
            (fit(kind + codec, rest), "accent" if column.target != column.source else "plain"),
        ]
