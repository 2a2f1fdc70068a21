"""Changes that a person makes to a scope: tables in or out, names, types, columns left behind. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import replace

from migrator_tui.model.plan import Action, NamePolicy, Scope, TableOverride
from migrator_tui.model.schema import Database, TableName

Column = tuple[str | None, str | None, str | None]
NOTHING_FIXED: Column = (None, None, None)


def with_table(scope: Scope, table: str, action: Action | None) -> Scope:
    """The scope with that action for a source table; None leaves it to the program."""
    return _with(scope, table, replace(scope.tables.get(table, TableOverride()), action=action))


def with_target(scope: Scope, table: str, target: TableName | None) -> Scope:
    """The scope with that name for a source table on the target; None proposes one."""
    return _with(scope, table, replace(scope.tables.get(table, TableOverride()), target=target))


def with_type(scope: Scope, table: str, column: str, kind: str | None) -> Scope:
    """The scope with that target type of a column; None proposes one. The codec follows from the type."""
    name, _, _ = _column(scope, table, column)
    return _with_column(scope, table, column, (name, kind, None))


def with_name(scope: Scope, table: str, column: str, name: str | None) -> Scope:
    """The scope with that target name of a column; None keeps the source's."""
    _, kind, codec = _column(scope, table, column)
    return _with_column(scope, table, column, (name, kind, codec))


def with_column_left_behind(scope: Scope, table: str, column: str, left: bool) -> Scope:
    """The scope with a column left behind, or taken back."""
    return _with_column(scope, table, column, None if left else NOTHING_FIXED)


def with_names(scope: Scope, names: NamePolicy) -> Scope:
    """The scope with the source's names kept, or written in snake_case."""
    return replace(scope, names=names)


def with_fill(scope: Scope, table: str, column: str, expression: str | None) -> Scope:
    """The scope with a SQL expression for a column that only the target has; None gives it none."""
    override = scope.tables.get(table, TableOverride())
    fill = {name: value for name, value in override.fill.items() if name != column}
    if expression is not None:
        fill[column] = expression
    return _with(scope, table, replace(override, fill=fill))


def within_patterns(scope: Scope, table: str) -> bool:
    """Whether the patterns alone take the table along."""
    wanted = any(fnmatch.fnmatchcase(table, pattern) for pattern in scope.include)
    return wanted and not any(fnmatch.fnmatchcase(table, pattern) for pattern in scope.exclude)


def parents(source: Database) -> dict[str, tuple[str, ...]]:
    """Source table → the tables that its foreign keys refer to, itself left out."""
    names = {table.name.name.lower(): table.name.name for table in source.tables}
    found = {}
    for table in source.tables:
        wanted = (names.get(key.parent.name.lower()) for key in table.foreign_keys)
        found[table.name.name] = tuple(dict.fromkeys(n for n in wanted if n is not None and n != table.name.name))
    return found


def companions(table: str, parents: Mapping[str, Iterable[str]], taken: Iterable[str]) -> dict[str, str]:
    """What has to come along so that the foreign keys of ``table`` hold.

    Returns:
        Each table that is not taken yet → the table that refers to it.
    """
    have, found = {*taken, table}, dict[str, str]()
    waiting = [table]
    while waiting:
        child = waiting.pop()
        for parent in parents.get(child, ()):
            if parent not in have:
                have.add(parent)
                found[parent] = child
                waiting.append(parent)
    return found


def dependants(table: str, parents: Mapping[str, Iterable[str]], taken: Iterable[str]) -> tuple[str, ...]:
    """The taken tables that refer to ``table``, directly or by way of others, in the order of ``parents``."""
    children: dict[str, list[str]] = {}
    for child, theirs in parents.items():
        for parent in theirs:
            children.setdefault(parent, []).append(child)
    have, found, waiting = set(taken), {table}, [table]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child in have and child not in found:
                found.add(child)
                waiting.append(child)
    return tuple(name for name in parents if name in found and name != table)


def _column(scope: Scope, table: str, column: str) -> Column:
    override = scope.tables.get(table)
    fixed = override.columns.get(column) if override else None
    return fixed or NOTHING_FIXED


def _with_column(scope: Scope, table: str, column: str, fixed: Column | None) -> Scope:
    override = scope.tables.get(table, TableOverride())
    columns = dict(override.columns)
    if fixed == NOTHING_FIXED:
        columns.pop(column, None)
    else:
        columns[column] = fixed
    return _with(scope, table, replace(override, columns=columns))


def _with(scope: Scope, table: str, override: TableOverride) -> Scope:
    tables = dict(scope.tables)
    if override == TableOverride():
        tables.pop(table, None)
    else:
        tables[table] = override
    return replace(scope, tables=tables)
