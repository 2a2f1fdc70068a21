"""Keys, checks, indexes and generated columns that stored values do not let be built, and what takes their place.

SQLite's indexes take values of any length, and its arithmetic goes on beyond the ends of a number; Postgres' do not.
Whether it matters is seen when they are built over the staged rows, and must not cost the person the whole run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.model.schema import Check, Database, ForeignKey, Index, IndexPart, Key, TableName
from migrator_tui.postgres.ddl import create_index

_DIGEST = re.compile(r"""(?:md5|sha256)\((?:lower\()?\(?("(?:[^"]|"")+"|\w+)\)?(?:::text)?\)?\)""")
"""A digest of a column as the server writes it."""

_COMPUTED = "GENERATED-STORED"


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """Something that a table does not get.

    Attributes:
        table: Source name.
        why: What the target said, or what it lacks.
        instead: The unique index on digests that was built in its place.
    """

    table: str
    object: Key | Check | Index | ForeignKey
    why: str
    instead: Index | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The target columns by which a foreign key can no longer refer to the table."""
        if isinstance(self.object, Key):
            return self.object.columns
        return self.object.key if isinstance(self.object, Index) else ()


class Uncomputable(Exception):
    """The target cannot compute generated columns for rows that are there, or computes other values.

    Attributes:
        columns: Those of them that it concerns → what the target said, or did.
    """

    def __init__(self, table: TablePlan, columns: Mapping[str, str]) -> None:
        super().__init__(f"{table.source}: {', '.join(columns)}")
        self.table = table
        self.columns = columns


def as_values(plan: Plan, found: Uncomputable, source: Database) -> Plan:
    """The plan in which such columns are plain ones with the values that the source computed, each with a finding."""
    name = found.table.source
    described = source.table(TableName("", name))
    columns = tuple(replace(c, generated=None) if c.source in found.columns else c for c in found.table.columns)
    findings = []
    for column, why in found.columns.items():
        generated = described.column(column).generated if described else None
        message = f"{name}.{column} becomes a plain column; the target, of stored rows: {why}."
        original = (generated.expression,) if generated else ()
        findings.append(Finding("GENERATED-NOT-CARRIED", message, table=name, column=column, samples=original))
    tables = (replace(t, columns=columns) if t.source == name else t for t in plan.tables)
    # What was said of it as a column that the target computes is no longer so.
    said = (f for f in plan.findings if f.table != name or f.column not in found.columns or f.id != _COMPUTED)
    return replace(plan, tables=tuple(tables), findings=(*said, *findings))


def digests(table: TablePlan, object: Key | Check | Index) -> Index | None:
    """A unique index on digests that holds wherever the key or unique index does; None where there is none."""
    if isinstance(object, Key):
        object = Index(object.name or f"{table.target.name}_key", tuple(map(IndexPart, object.columns)), unique=True)
    if not isinstance(object, Index) or not object.unique:
        return None
    types = {column.target: column.type for column in table.columns}
    parts = tuple(_digest(part, types) for part in object.parts)
    return replace(object, parts=parts) if parts != object.parts else None


def _digest(part: IndexPart, types: dict[str, str]) -> IndexPart:
    if part.column is None:
        return replace(part, expression=f"md5({part.expression})", collation=None)
    name, type = quote(part.column), types.get(part.column, "")
    made = {"text": f"md5({name})", "citext": f"md5(lower({name}::text))", "bytea": f"sha256({name})"}.get(type)
    if type.startswith("character varying"):
        made = f"md5({name}::text)"
    return replace(part, column=None, expression=made, collation=None) if made else part


def digested(index: Index) -> tuple[str, ...]:
    """The columns of a unique index of the target that is on digests of whole columns; empty where it is none."""
    found = [_DIGEST.fullmatch(part.expression or "") for part in index.parts]
    columns = tuple(
        part.column or (match[1].strip('"').replace('""', '"') if match else "")
        for part, match in zip(index.parts, found, strict=True)
    )
    return columns if index.unique and index.where is None and any(found) and all(columns) else ()


def referring(child: TablePlan, parent: TablePlan, key: ForeignKey, unbuilt: Iterable[Unbuilt]) -> Unbuilt | None:
    """A foreign key that has lost the key that it refers to; None where it has not."""
    lost = {frozenset(item.columns) for item in unbuilt if item.table == parent.source and item.columns}
    if frozenset(key.parent_columns) not in lost:
        return None
    return Unbuilt(child.source, key, f"values of {parent.source} are too long for a key that could be referred to")


def without(plan: Plan, unbuilt: Iterable[Unbuilt], source: Database) -> Plan:
    """The plan as it was built, with a finding for each; its DDL is not written anew."""
    tables = {table.source: table for table in plan.tables}
    findings = list(plan.findings)
    for item in sorted(unbuilt, key=lambda item: list(tables).index(item.table)):
        table = tables[item.table]
        findings.append(_finding(table, item, source))
        gone = item.object
        tables[item.table] = replace(
            table,
            primary_key=None if table.primary_key == gone else table.primary_key,
            uniques=tuple(key for key in table.uniques if key != gone),
            checks=tuple(check for check in table.checks if check != gone),
            indexes=(
                *(index for index in table.indexes if index != gone),
                *([item.instead] if item.instead else []),
            ),
            foreign_keys=tuple(key for key in table.foreign_keys if key != gone),
        )
    return replace(plan, tables=tuple(tables.values()), findings=tuple(findings))


def _finding(table: TablePlan, item: Unbuilt, source: Database) -> Finding:
    name, gone = table.source, item.object
    if isinstance(gone, ForeignKey):
        message = f"{name} ({', '.join(gone.columns)}) REFERENCES {gone.parent} is not carried: {item.why}."
        ours = {column.target: column.source for column in table.columns}
        return Finding(
            "FK-PARENT", message, table=name, column=ours.get(gone.columns[0], gone.columns[0]), object=gone.name
        )
    if isinstance(gone, Check):
        message = f"{name}: the check {gone.name} is not carried; the target, of stored rows: {item.why}."
        return Finding("CHECK-NOT-CARRIED", message, table=name, object=gone.name, samples=(gone.expression,))
    if isinstance(gone, Index):
        described = source.table(TableName("", name))
        of_source = described.indexes if described else ()
        object = next((index.name for index in of_source if index.sql and index.sql == gone.sql), gone.name)
        if item.instead is None:
            unique = " Nothing keeps its values from coming twice." if gone.unique else ""
            message = f"The index {object} on {name} is not carried; the target, of stored rows: {item.why}.{unique}"
            return Finding("INDEX-NOT-CARRIED", message, table=name, object=object, samples=(gone.sql,))
        said = f"the unique index {object}"
    else:
        kind = "primary key" if gone == table.primary_key else "unique key"
        object = gone.name or ""
        said = f"the {kind} ({', '.join(gone.columns)})"
    samples = [gone.sql] if isinstance(gone, Index) else []
    if item.instead is not None:
        samples.append(create_index(item.instead, quote(table.target.name)))
    also = "Digests of its values are unique instead" if item.instead else "Nothing keeps its values from coming twice"
    message = f"{name}: {said} is not carried; the target, of stored rows: {item.why}. {also}."
    return Finding("KEY-LONG", message, table=name, object=object, samples=tuple(samples))
