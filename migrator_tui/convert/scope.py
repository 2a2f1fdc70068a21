"""What a name inside an expression refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migrator_tui.convert.operands import Known, Operand, Refused, column, quoted_column


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view that a query reads.

    Attributes:
        target: Its name on the target, without a schema.
        columns: Source column name → what is known of it, in order.
    """

    target: str
    columns: Mapping[str, Known]


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a FROM clause.

    Attributes:
        name: The name by which the query qualifies columns; empty for the one table of a CHECK.
        alias: The same on the target.
        columns: Source column name → (target name, operand), in order.
        merged: Lower-case names of columns that USING merged into an earlier source's.
    """

    name: str
    alias: str
    columns: Mapping[str, tuple[str, Operand]]
    merged: frozenset[str] = frozenset()

    def find(self, name: str) -> Operand | None:
        """The column of that name; SQLite does not distinguish case."""
        lower = name.lower()
        return next((operand for own, (_, operand) in self.columns.items() if own.lower() == lower), None)


def source_of(relation: Relation, name: str, alias: str) -> Source:
    """A relation in a FROM clause (or, with an empty name, alone)."""
    columns = {}
    for own, known in relation.columns.items():
        target = known.target or own
        columns[own] = (target, column(quoted_column(alias, target), known))
    return Source(name, alias, columns)


@dataclass(slots=True)
class Scope:
    """The names that are visible at one place of a query.

    Attributes:
        parent: The enclosing query's, for a correlated subquery.
        aliases: Lower-case names of the SELECT list's results, which SQLite allows in every clause.
        aggregates: Whether aggregate functions may stand here.
    """

    sources: list[Source] = field(default_factory=list)
    parent: Scope | None = None
    aliases: dict[str, Operand] = field(default_factory=dict)
    aggregates: bool = False

    def find(self, table: str, name: str) -> Operand | None:
        """The column, alias or enclosing query's column of that name.

        Raises:
            Refused: Several have it.
        """
        found = [
            operand
            for source in self.sources
            if (not table or source.name.lower() == table.lower()) and name.lower() not in source.merged
            if (operand := source.find(name)) is not None
        ]
        if len(found) > 1:
            raise Refused(f"the name {name} is ambiguous")
        if found:
            return found[0]
        if not table and name.lower() in self.aliases:
            return self.aliases[name.lower()]
        return self.parent.find(table, name) if self.parent else None
