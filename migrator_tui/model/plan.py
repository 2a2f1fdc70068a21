"""The plan: what becomes of every table and column, decided before a row is moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from migrator_tui.model.decisions import NaturalKey
from migrator_tui.model.findings import Finding
from migrator_tui.model.project import ProjectPlan, ProjectScope, UsersPlan
from migrator_tui.model.schema import Check, EnumType, ForeignKey, Generated, Index, Key, TableName

NamePolicy = Literal["keep", "snake_case"]


class Action(StrEnum):
    """What happens to a table: made anew, added to the one that is there, or left out."""

    CREATE = "create"
    MERGE = "merge"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column on its way.

    Attributes:
        source: Name in SQLite.
        target: Name in Postgres.
        type: Postgres type as DDL writes it, quoted where it must be.
        codec: Name of the conversion (:mod:`migrator_tui.convert.codecs`), which both directions are recorded by.
        default: Postgres expression, or None.
        identity_next: First value the identity gives, None for a column that is no identity.
        given: A person wrote another type or codec than was proposed, so that some values may not fit.
        generated: Expression in Postgres' dialect where the target computes the column; then no value is moved.
    """

    source: str
    target: str
    type: str
    codec: str
    not_null: bool = False
    default: str | None = None
    identity_next: int | None = None
    generated: Generated | None = None
    comment: str | None = None
    given: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class RowRule:
    """Source rows that a decision treats otherwise than the rest.

    Attributes:
        finding: Id of the finding that was decided so.
        predicate: Which rows: a kind of ``sqlite.references`` (``nul``, ``class-not``, ``orphan`` …).
        columns: Source columns that it looks at.
        argument: What the predicate compares with (a class, shapes, the foreign key's number), if anything.
        reason: Why, in words, for the quarantine.
        nulls: The columns are set to NULL instead of the row being quarantined.
    """

    finding: str
    predicate: str
    columns: tuple[str, ...]
    argument: str = ""
    reason: str = ""
    nulls: bool = False


@dataclass(frozen=True, slots=True)
class FillText:
    """A text as it is, where a text alone would be a SQL expression."""

    value: str


def fill_of(value: object) -> str | FillText:
    """What a file says of a column that only the target has: a SQL expression, a number or truth value, a text.

    Raises:
        ValueError: It is none of these; says what was expected.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, FillText):
        return value
    if isinstance(value, Mapping) and set(value) == {"value"} and isinstance(value["value"], str):
        return FillText(value["value"])
    raise ValueError("expected a SQL expression, a number, true or false, or {value: text}")


@dataclass(frozen=True, slots=True)
class Fill:
    """A value for a column that only the target has, given to every row that is added.

    Attributes:
        expression: SQL as a person wrote it; it may read the target names of moved columns.
        type: The column's type.
    """

    target: str
    expression: str
    type: str
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table on its way. Keys, checks and indexes carry target names and Postgres expressions.

    Attributes:
        left_behind: Source columns that are not moved.
        match_key: Target columns that pair staged rows with live rows; only for ``merge``.
        locator: How the source's rows are numbered (:attr:`Table.locator`).
        order_by: Source key columns, for tables whose rows are numbered in key order.
        rows, bytes: From the profile.
        fills: Values for columns that only the target has; only for ``merge``.
        references: The source's foreign keys to tables that are moved, whose rows are followed to other keys; only for
            ``merge``, as foreign keys of a live table are its own.
    """

    source: str
    target: TableName
    action: Action
    columns: tuple[ColumnPlan, ...]
    left_behind: tuple[str, ...] = ()
    match_key: tuple[str, ...] = ()
    locator: str | None = "rowid"
    order_by: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0
    primary_key: Key | None = None
    uniques: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()
    row_rules: tuple[RowRule, ...] = ()
    comment: str | None = None
    fills: tuple[Fill, ...] = ()
    references: tuple[ForeignKey, ...] = ()

    @property
    def moved_columns(self) -> tuple[ColumnPlan, ...]:
        """The columns whose values are sent: all but those that the target computes."""
        return tuple(column for column in self.columns if column.generated is None)


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """A view in Postgres' dialect: the query only, its tables unqualified."""

    source: str
    target: TableName
    query: str


@dataclass(frozen=True, slots=True)
class TableOverride:
    """What a configuration or a plan file says of one table, over what would be proposed.

    Attributes:
        columns: Source column → (target name, type, codec), each None where it is left to the program; the whole
            entry None where the column is left behind.
        fill: Column that only the target has → SQL expression, or a text, for the rows that are added.
    """

    target: TableName | None = None
    action: Action | None = None
    columns: Mapping[str, tuple[str | None, str | None, str | None] | None] = field(default_factory=dict)
    fill: Mapping[str, str | FillText] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that a person fixed beforehand about names, tables and columns.

    Attributes:
        include, exclude: Shell-style patterns of source table names.
        schema: Target schema of tables that say nothing else.
        names: What becomes of the source's names: kept as they are, or written in snake_case.
        project: Users, files and exposure; nothing of them where only tables are moved.
        natural_keys: By which rows of a table are told to be one, beside its keys.
        time_zone: That times without a zone are in; None where nobody said.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    schema: str = "public"
    tables: Mapping[str, TableOverride] = field(default_factory=dict)
    names: NamePolicy = "keep"
    project: ProjectScope = field(default_factory=ProjectScope)
    natural_keys: tuple[NaturalKey, ...] = ()
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take. ``bytes`` are of values; ``peak_bytes`` what the target's disk needs at most."""

    rows: int
    bytes: int
    peak_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan of a run.

    Attributes:
        source_sha256: Of the snapshot that it was made for.
        target_identity: Which server and database it was made for, as text.
        tables: In source order; skipped tables included.
        load_order: Source names, parents before children where there is an order.
        enums: Types that publishing creates.
        findings: All of them, decisions filled in.
        names: What became of the source's names.
        project: What moves or is set beside the tables; None where only tables are moved.
    """

    source_path: str
    source_sha256: str
    target_identity: str
    tables: tuple[TablePlan, ...]
    load_order: tuple[str, ...]
    enums: tuple[EnumType, ...] = ()
    views: tuple[ViewPlan, ...] = ()
    findings: tuple[Finding, ...] = ()
    ddl: tuple[str, ...] = ()
    estimate: Estimate = Estimate(0, 0, 0, 0.0)
    notes: tuple[str, ...] = ()
    names: NamePolicy = "keep"
    project: ProjectPlan | None = None

    @property
    def moved(self) -> tuple[TablePlan, ...]:
        """The tables that are staged."""
        return tuple(table for table in self.tables if table.action is not Action.SKIP)

    def table(self, source: str) -> TablePlan:
        """The plan of one source table.

        Raises:
            KeyError: There is none of that name.
        """
        for table in self.tables:
            if table.source == source:
                return table
        raise KeyError(f"the plan has no table {source}")

    @property
    def users(self) -> UsersPlan | None:
        """How the source's users become users of Supabase Auth; None where they do not."""
        return self.project.users if self.project else None

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """The findings that wait for a decision."""
        return tuple(finding for finding in self.findings if finding.needs_decision)
