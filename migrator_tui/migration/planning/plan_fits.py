"""Which stored values do not fit the target's own columns, or types that a person gave: proved on every value before
anything is staged.

A codec is chosen by what a column mostly holds. Here every value of a column that goes into a narrower type (an enum, a
domain, ``varchar(5)``, ``uuid`` …) is converted once, and what would not arrive becomes a finding with its keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import cast_codecs
from migrator_tui.convert.codecs import TEXT, Codec, CodecError, codec, differences, encode, exists
from migrator_tui.convert.given_types import live_column
from migrator_tui.migration.planning import quarantine
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.staging import Encoder, Source
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, ColumnPlan, Plan, RowRule, TablePlan
from migrator_tui.model.project import UsersPlan
from migrator_tui.model.schema import Column, Database, EnumType, Table
from migrator_tui.postgres.fitting import Judged, judged_by_type, too_long_for_an_index
from migrator_tui.sqlite.read import SnapshotReader, row_key, shown, typed_cells

ENTRY_BYTES = 2_600
"""Values of no more bytes fit an entry of a B-tree."""
SHOWN = 5
"""Rows that a finding names."""
WIDE_CODECS = ("integer", "text", "blob", "real", "real-numeric", "blob-of-text")
"""Codecs that carry every value of their class; the type may be narrower still."""

_NO_TYPE = ("42", "0A")
"""SQLSTATE classes: syntax error or access rule violation, feature not supported."""

Unfit = Callable[[pa.Array], list[int]]
"""Positions of the values that do not fit."""


@dataclass
class _Suspect:
    """A column whose values have to be proved one by one.

    Attributes:
        indexes: The live table's B-trees over the column, where some values may be too long for an entry.
        long: Those values.
        rows: Those that hold a value that does not fit.
        respelled: Those that hold a value that the type writes otherwise.
        distinct: Values that only the server can judge, gathered in a first reading.
    """

    planned: ColumnPlan
    live: Column
    codec: Codec
    tests: list[Unfit]
    indexes: tuple[str, ...] = ()
    long: set[Any] = field(default_factory=set)
    rows: list[int] = field(default_factory=list)
    respelled: list[int] = field(default_factory=list)
    written_otherwise: Unfit = lambda values: []
    distinct: set[Any] | None = None


def with_unfit(
    plan: Plan, source: Source, target: Database, connection: psycopg.Connection[Any], chooser: Chooser
) -> Plan:
    """The plan with a finding, and what was decided, for every column that some values do not fit."""
    findings = list(plan.findings)
    tables = {}
    sets: RowSets | None = None
    for table in plan.moved:
        if not table.rows:
            continue
        suspects = _suspects(table, source, target) if table.action is Action.MERGE else _given(table)
        if not suspects:
            continue
        sets = quarantine.find(source.snapshot, source.database, plan) if sets is None else sets
        _prove(table, suspects, source, sets, connection, plan.users)
        rules = []
        respelled: dict[str, str] = {}
        for suspect in suspects:
            if suspect.rows:
                finding = chooser.settle(_finding(table, suspect, source))
                findings.append(finding)
                rules.append(_rule(finding, suspect.planned, suspect.rows, chooser.choice(finding)))
            if suspect.respelled:
                finding = chooser.settle(_respelling(table, suspect, source))
                findings.append(finding)
                if (choice := chooser.choice(finding)) == "respelled":
                    respelled[suspect.planned.source] = cast_codecs.respelled(suspect.planned.codec)
                else:
                    rules.append(_rule(finding, suspect.planned, suspect.respelled, choice))
        columns = tuple(replace(c, codec=respelled.get(c.source, c.codec)) for c in table.columns)
        tables[table.source] = replace(table, columns=columns, row_rules=(*table.row_rules, *rules))
    return replace(plan, tables=tuple(tables.get(t.source, t) for t in plan.tables), findings=tuple(findings))


def _suspects(table: TablePlan, source: Source, target: Database) -> list[_Suspect]:
    live = target.table(table.target)
    assert live is not None
    enums = {enum.name: enum for enum in target.enums}
    suspects = []
    for planned in table.moved_columns:
        column = live.column(planned.target)
        found = source.profile.tables[table.source].column(planned.source)
        made = codec(planned.codec)
        tests: list[Unfit] = []
        if planned.codec not in WIDE_CODECS:
            tests.append(lambda values, c=made: _refused(c, values))  # type: ignore[misc]
        if column.enum is not None and column.enum in enums:
            tests.append(_not_among(enums[column.enum]))
        if column.not_null and found.nulls:
            tests.append(lambda values: _positions(pc.is_null(values)))
        tests += _narrow(column.base or column.type, made)
        by_server = made.cast or column.base is not None or (column.enum is not None and column.enum not in enums)
        indexes = _indexes_over(live, planned.target) if found.max_bytes > ENTRY_BYTES else ()
        if tests or by_server or indexes:
            distinct: set[Any] | None = set() if by_server else None
            suspects.append(_Suspect(planned, column, made, tests, distinct=distinct, indexes=indexes))
    return suspects


def _indexes_over(live: Table, column: str) -> tuple[str, ...]:
    """The B-trees of a table that hold a column as it is."""
    keys = [key.name or "its key" for key in (live.primary_key, *live.uniques) if key and column in key.columns]
    indexes = [i.name for i in live.indexes if i.method == "btree" and any(p.column == column for p in i.parts)]
    return (*keys, *indexes)


def _given(table: TablePlan) -> list[_Suspect]:
    """Columns that are made anew, of a type or codec that a person wrote."""
    suspects = []
    for planned in table.moved_columns:
        if not planned.given or not exists(planned.codec):
            continue
        column, made = live_column(planned.target, planned.type), codec(planned.codec)
        column = replace(column, not_null=planned.not_null)
        tests: list[Unfit] = [] if made.mapped else [lambda values, c=made: _refused(c, values)]  # type: ignore[misc]
        tests += _narrow(column.type, made)
        if tests or made.cast:
            suspects.append(_Suspect(planned, column, made, tests, distinct=set() if made.cast else None))
    return suspects


def _prove(
    table: TablePlan,
    suspects: Sequence[_Suspect],
    source: Source,
    sets: RowSets,
    connection: psycopg.Connection[Any],
    users: UsersPlan | None,
) -> None:
    asked = [suspect for suspect in suspects if suspect.distinct is not None or suspect.indexes]
    if asked:
        for _, batch in _batches(table, asked, source, sets, users):
            for suspect, values in zip(asked, batch, strict=True):
                if suspect.distinct is not None:
                    suspect.distinct.update(pc.unique(_as_judged(suspect.codec, values)).to_pylist())
                if suspect.indexes:
                    suspect.long.update(_long(_as_judged(suspect.codec, values)))
        for suspect in asked:
            if suspect.long:
                some = too_long_for_an_index(connection, suspect.planned.type, sorted(suspect.long, key=repr))
                suspect.long = set(some)
                suspect.tests.append(_among(some, suspect.codec))
            if suspect.distinct is None:
                continue
            judged = _judged(connection, table, suspect)
            suspect.tests.append(_among(judged.refused, suspect.codec))
            if suspect.codec.cast:
                suspect.written_otherwise = _among(judged.respelled, suspect.codec)
    for locators, batch in _batches(table, suspects, source, sets, users):
        for suspect, values in zip(suspects, batch, strict=True):
            unfit = {position for test in suspect.tests for position in test(values)}
            suspect.rows += [locators[position].as_py() for position in sorted(unfit)]
            otherwise = (position for position in suspect.written_otherwise(values) if position not in unfit)
            suspect.respelled += [locators[position].as_py() for position in otherwise]


def _judged(connection: psycopg.Connection[Any], table: TablePlan, suspect: _Suspect) -> Judged:
    planned = suspect.planned
    try:
        return judged_by_type(connection, planned.type, sorted(suspect.distinct or (), key=repr))
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(_NO_TYPE):
            raise
        said = (error.diag.message_primary or str(error)).strip().rstrip(".")
        raise UsageError(
            "PLAN-TYPE",
            f"{table.source}.{planned.source}: the target refuses {planned.type}: {said}.",
            "Edit the plan.",
        ) from error


def _batches(
    table: TablePlan, suspects: Sequence[_Suspect], source: Source, sets: RowSets, users: UsersPlan | None
) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
    """Locators and the suspects' values as they are read, without the rows that stay behind anyway."""
    only = replace(table, columns=tuple(s.planned for s in suspects))
    encoder = Encoder(source, only, sets, users=users)
    with SnapshotReader(source.snapshot) as reader:
        for chunk in source.profile.tables[table.source].chunks:
            for batch in encoder.read(reader, chunk, lambda: None):
                yield batch.column(0), [batch.column(i) for i in range(1, batch.num_columns)]


def _shown(table: TablePlan, planned: ColumnPlan, rows: Sequence[int], source: Source) -> tuple[list[str], list[str]]:
    """Keys and values of the first of some rows."""
    described = source.table(table.source)
    keys, samples = [], []
    for locator, cells in typed_cells(source.snapshot, described, rows[:SHOWN]):
        keys.append(row_key(described, cells, locator))
        samples.append(shown(cells[planned.source]))
    return keys, samples


def _respelling(table: TablePlan, suspect: _Suspect, source: Source) -> Finding:
    planned, rows = suspect.planned, len(suspect.respelled)
    keys, samples = _shown(table, planned, suspect.respelled, source)
    keyed = suspect.live.not_null or planned.target in table.match_key
    return Finding(
        "VALUE-RESPELLED",
        f"{table.source}.{planned.source}: {rows:,} value{' is' if rows == 1 else 's are'} read back from "
        f"{planned.type} in another spelling.",
        table=table.source,
        column=planned.source,
        rows=rows,
        keys=tuple(keys),
        samples=tuple(samples),
        choices=("respelled", "quarantine") if keyed else ("respelled", "quarantine", "null"),
    )


def _finding(table: TablePlan, suspect: _Suspect, source: Source) -> Finding:
    planned, column = suspect.planned, suspect.live
    keys, samples = _shown(table, planned, suspect.rows, source)
    kind = f"the domain {column.type}" if column.base else f"the enum {column.type}" if column.enum else column.type
    required = column.not_null or planned.target in table.match_key or any(s == "NULL" for s in samples)
    rows = len(suspect.rows)
    said = "value does" if rows == 1 else "values do"
    return Finding(
        "VALUE-RANGE",
        f"{table.source}.{planned.source}: {rows:,} {said} not fit {table.target}.{planned.target}, which is {kind}"
        f"{' NOT NULL' if column.not_null else ''}{_too_long(suspect)}.",
        table=table.source,
        column=planned.source,
        rows=rows,
        keys=tuple(keys),
        samples=tuple(samples),
        choices=("quarantine",) if required else ("quarantine", "null"),
    )


def _too_long(suspect: _Suspect) -> str:
    if not suspect.long:
        return ""
    several = "the index" if len(suspect.indexes) == 1 else "the indexes"
    return f" with {several} {', '.join(suspect.indexes)}, which a longer value than about 2,700 bytes does not fit"


def _rule(finding: Finding, planned: ColumnPlan, rows: Sequence[int], choice: str) -> RowRule:
    ranges = quarantine.as_ranges(rows)
    return RowRule(finding.id, "rows", (planned.source,), ranges, finding.message, nulls=choice == "null")


def _refused(made: Codec, values: pa.Array) -> list[int]:
    """Every value that the codec would not carry, where :func:`encode` names the first."""
    try:
        encode(made, values)
    except CodecError:
        pass
    else:
        return []
    try:
        sent = made.to_target(values)
        lost = pc.and_(pc.is_valid(values), pc.is_null(sent))
        changed = differences(values, made.to_source(sent)) if made.to_source is not None else []
        return sorted({*changed, *_positions(lost)})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, UnicodeDecodeError):
        return [i for i in range(len(values)) if _refused_alone(made, values.slice(i, 1))]


def _refused_alone(made: Codec, value: pa.Array) -> bool:
    try:
        encode(made, value)
    except CodecError:
        return True
    return False


def _narrow(kind: str, made: Codec) -> Iterable[Unfit]:
    """What a type does not take of what the codec would send."""
    if re.fullmatch(r"character(\(\d+\))?|bpchar", kind):  # they forget spaces at the end
        yield lambda values: _positions(_ends_in_space(made, values))
    length = re.fullmatch(r"(?:character varying|character|varchar)\((\d+)\)", kind)
    if length:
        most = int(length[1])
        yield lambda values: _positions(pc.greater(_characters(made, values), most))
    digits = re.fullmatch(r"numeric\((\d+),(\d+)\)", kind)
    if digits and made.name == "integer-numeric":
        limit = 10 ** (int(digits[1]) - int(digits[2]))
        if limit < 2**63:
            yield lambda values: _positions(pc.or_(pc.greater_equal(values, limit), pc.less_equal(values, -limit)))
    if fraction := re.fullmatch(r"timestamp\((\d)\) with(?:out)? time zone", kind):
        unit = 10 ** (6 - int(fraction[1]))
        yield lambda values: _positions(pc.not_equal(_rest(_as_sent(made, values).cast(pa.int64()), unit), 0))
    if kind in ("json", "jsonb"):
        yield lambda values: [i for i, v in enumerate(values.to_pylist()) if v is not None and not _is_json(v, kind)]


def _characters(made: Codec, values: pa.Array) -> pa.Array:
    try:
        return pc.utf8_length(made.to_target(values))
    except (pa.ArrowInvalid, UnicodeDecodeError):  # bytes that are no text are another finding's
        return pa.array([None] * len(values), pa.int32())


def _ends_in_space(made: Codec, values: pa.Array) -> pa.Array:
    try:
        return pc.ends_with(made.to_target(values), " ")
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return pa.array([None] * len(values), pa.bool_())


def _is_json(text: str, kind: str) -> bool:
    """Whether Postgres takes the text, and for jsonb also gives back every member."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if kind == "jsonb" and len(made) < len(pairs):
            raise ValueError("of two members of one name jsonb keeps the last")
        return made

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return kind == "json" or "\\u" not in text or all(map(_is_text, _texts(value)))


def _is_text(value: str) -> bool:
    return "\0" not in value and not re.search("[\ud800-\udfff]", value)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names of members included."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part


def _not_among(enum: EnumType) -> Unfit:
    labels = pa.array(list(enum.labels), pa.string())

    def outside(values: pa.Array) -> list[int]:
        return _positions(pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, labels))))

    return outside


def _long(values: pa.Array) -> list[Any]:
    """The texts and blobs that may be too long for an entry of a B-tree."""
    if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
        return []
    kept: list[Any] = values.filter(pc.greater(pc.binary_length(values), ENTRY_BYTES)).to_pylist()
    return kept


def _as_judged(made: Codec, values: pa.Array) -> pa.Array:
    """The values as the server is asked about them: as they are sent where they are written otherwise in the source,
    which may hold texts that are none, and dates that a server reads in another order."""
    if not made.cast and (made.name.partition(":")[0] not in _REWRITTEN or made.header != TEXT):
        return values
    return _as_sent(made, values).cast(pa.string())


def _as_sent(made: Codec, values: pa.Array) -> pa.Array:
    """The values as they are sent, and null for those that the codec's own test finds."""
    refused = _refused(made, values)
    if not refused:
        return made.to_target(values)
    fine = pc.invert(pc.is_in(pa.array(range(len(values)), pa.int64()), pa.array(refused, pa.int64())))
    sent = made.to_target(values.filter(fine))
    return pc.replace_with_mask(pa.nulls(len(values), sent.type), fine, sent)


def _rest(numbers: pa.Array, unit: int) -> pa.Array:
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, unit), unit))


_REWRITTEN = ("text", "timestamp", "timestamptz", "date")
"""Codecs by which a text may be sent in another form."""


def _among(refused: Sequence[Any], made: Codec) -> Unfit:
    def inside(values: pa.Array) -> list[int]:
        values = _as_judged(made, values)
        bad = pa.array([value for value in refused if value is not None], values.type)
        hit = pc.and_(pc.is_valid(values), pc.is_in(values, bad))
        return _positions(pc.or_(hit, pc.is_null(values)) if None in refused else hit)

    return inside


def _positions(mask: pa.Array) -> list[int]:
    found: list[int] = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
    return found
