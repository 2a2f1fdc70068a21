"""DDL as text, from the plan: what is created in staging, what is added after the load, what publishing adds.

In staging, tables, keys and indexes have their final names already, so that publishing is ``SET SCHEMA`` and no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.schema import Check, EnumType, ForeignKey, Index, Key, TableName

LOCATOR = "_mt_src"
"""The column that names a staged row's place in the snapshot; dropped at publish. See :func:`locator_name`."""


def staging_schema(run: str) -> str:
    """Name of the run's staging schema."""
    return f"migrator_stage_{run}"


def undone_schema(run: str) -> str:
    """Name of the schema that undo moves the run's tables to."""
    return f"migrator_undone_{run}"


def staged_name(table: TablePlan) -> str:
    """A table's name in the staging schema; merged tables keep out of the way of new ones of other schemas."""
    if table.action is Action.MERGE:
        return f"_mt_live_{hashlib.sha256(table.source.encode()).hexdigest()[:16]}"
    return table.target.name


def locator_name(table: TablePlan) -> str:
    """:data:`LOCATOR`, made longer where a column of the table itself has that name."""
    taken = {column.target for column in table.columns}
    name = LOCATOR
    while name in taken:
        name += "_"
    return name


def create_enum(enum: EnumType, schema: str) -> str:
    """``CREATE TYPE … AS ENUM``."""
    labels = ", ".join(quote_literal(label) for label in enum.labels)
    return f"CREATE TYPE {quote(schema)}.{quote(enum.name.name)} AS ENUM ({labels})"


def enum_names(enums: Iterable[EnumType], schema: str) -> dict[str, str]:
    """Enum types as a plan names them → with the schema that they are made in."""
    return {quote(enum.name.name): f"{quote(schema)}.{quote(enum.name.name)}" for enum in enums}


def create_staging_table(table: TablePlan, schema: str, enums: Iterable[EnumType]) -> str:
    """The staging table: of a new table with everything but keys and indexes; of a merged one with the live types."""
    name = f"{quote(schema)}.{quote(staged_name(table))}"
    if table.action is Action.MERGE:
        columns = ", ".join(quote(column.target) for column in table.moved_columns)
        return (
            f"CREATE TABLE {name} AS SELECT NULL::bigint AS {quote(locator_name(table))}, {columns} "
            f"FROM {quote_name(table.target)} WITH NO DATA"
        )
    types = enum_names(enums, schema)
    lines = [f"{quote(locator_name(table))} bigint NOT NULL", *(_column(column, types) for column in table.columns)]
    return f"CREATE TABLE {name} (\n    " + ",\n    ".join(lines) + "\n)"


def create_table(table: TablePlan) -> str:
    """The table as it ends up, keys included, for a person to read."""
    lines = [_column(column, {}) for column in table.columns]
    if table.primary_key:
        lines.append(_key(table.primary_key, "PRIMARY KEY"))
    lines += [_key(key, "UNIQUE") for key in table.uniques]
    lines += [f"CONSTRAINT {quote(c.name or 'check')} CHECK ({c.expression})" for c in table.checks]
    return f"CREATE TABLE {quote_name(table.target)} (\n    " + ",\n    ".join(lines) + "\n)"


def comments(table: TablePlan, name: str) -> Iterator[str]:
    """``COMMENT ON`` the table of that quoted name, and its columns."""
    if table.comment:
        yield f"COMMENT ON TABLE {name} IS {quote_literal(table.comment)}"
    for column in table.columns:
        if column.comment:
            yield f"COMMENT ON COLUMN {name}.{quote(column.target)} IS {quote_literal(column.comment)}"


def keys_and_indexes(table: TablePlan, schema: str) -> Iterator[tuple[Key | Check | Index, str]]:
    """What is added to a new table in staging once its rows are there, each with its statement."""
    name = f"{quote(schema)}.{quote(staged_name(table))}"
    if table.primary_key:
        yield table.primary_key, f"ALTER TABLE {name} ADD {_key(table.primary_key, 'PRIMARY KEY')}"
    for key in table.uniques:
        yield key, f"ALTER TABLE {name} ADD {_key(key, 'UNIQUE')}"
    for check in table.checks:
        text = f"ALTER TABLE {name} ADD CONSTRAINT {quote(check.name or 'check')} CHECK ({check.expression})"
        yield check, text
    for index in table.indexes:
        yield index, create_index(index, name)


def create_index(index: Index, table: str) -> str:
    """``CREATE INDEX`` on a table given by its quoted name."""
    parts = []
    for part in index.parts:
        text = quote(part.column) if part.column else f"({part.expression})"
        if part.collation:
            text += f" COLLATE {quote(part.collation)}"
        parts.append(text + (" DESC" if part.descending else ""))
    unique = "UNIQUE " if index.unique else ""
    where = f" WHERE {index.where}" if index.where else ""
    method = f" USING {index.method}" if index.method != "btree" else ""
    return f"CREATE {unique}INDEX {quote(index.name)} ON {table}{method} ({', '.join(parts)}){where}"


def add_foreign_key(table: str, key: ForeignKey, parent: str, *, validated: bool | None = None) -> str:
    """``ADD FOREIGN KEY`` between tables given by their quoted names; ``validated`` overrides the key's own."""
    columns = ", ".join(map(quote, key.columns))
    referred = ", ".join(map(quote, key.parent_columns))
    text = f"ALTER TABLE {table} ADD CONSTRAINT {quote(key.name or 'fkey')} FOREIGN KEY ({columns}) REFERENCES {parent}"
    text += f" ({referred}) ON UPDATE {key.on_update.value} ON DELETE {key.on_delete.value}"
    if key.deferrable:
        text += " DEFERRABLE" + (" INITIALLY DEFERRED" if key.initially_deferred else "")
    return text if (key.validated if validated is None else validated) else f"{text} NOT VALID"


def parents(plan: Plan) -> dict[TableName, Action]:
    """The target tables of the plan, and what happens to each: which end of a foreign key is new, which is live."""
    return {table.target: table.action for table in plan.moved}


def script(plan: Plan) -> tuple[str, ...]:
    """The whole DDL as it takes effect, for the person who reviews it. The run itself goes by way of staging."""
    lines = [create_enum(enum, enum.name.schema) for enum in plan.enums]
    created = [table for table in plan.moved if table.action is Action.CREATE]
    for table in created:
        lines += [create_table(table), *comments(table, quote_name(table.target))]
    for table in created:
        lines += [create_index(index, quote_name(table.target)) for index in table.indexes]
    for table in created:
        lines += [add_foreign_key(quote_name(table.target), key, quote_name(key.parent)) for key in table.foreign_keys]
    lines += [f"CREATE VIEW {quote_name(view.target)} AS {view.query}" for view in plan.views]
    return tuple(lines)


def _column(column: ColumnPlan, types: dict[str, str]) -> str:
    if column.generated:
        return generated_column(column, types)
    text = f"{quote(column.target)} {types.get(column.type, column.type)}"
    if column.identity_next is not None:
        text += f" GENERATED BY DEFAULT AS IDENTITY (START WITH {column.identity_next})"
    elif column.default is not None:
        text += f" DEFAULT {_default(column, types)}"
    return text + (" NOT NULL" if column.not_null else "")


def generated_column(column: ColumnPlan, types: Mapping[str, str]) -> str:
    """What ``CREATE TABLE`` says of a column that the target computes.

    Args:
        types: Enum type → its name with its schema.
    """
    assert column.generated is not None
    kind = types.get(column.type, column.type)
    text = f"{quote(column.target)} {kind} GENERATED ALWAYS AS ({column.generated.expression}) STORED"
    return text + (" NOT NULL" if column.not_null else "")


def _default(column: ColumnPlan, types: dict[str, str]) -> str:
    qualified = types.get(column.type)
    expression = column.default or "NULL"
    return expression.replace(f"::{column.type}", f"::{qualified}") if qualified else expression


def _key(key: Key, kind: str) -> str:
    columns = ", ".join(map(quote, key.columns))
    return f"CONSTRAINT {quote(key.name)} {kind} ({columns})" if key.name else f"{kind} ({columns})"
