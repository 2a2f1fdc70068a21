"""Sets of rows of a snapshot: by a predicate, by a broken reference, by descent from rows that stay behind.

Everything is set-wise SQL. Rows are named by their locator (:mod:`migrator_tui.sqlite.locating`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import placeholders, several_classes
from migrator_tui.convert import shapes as text_shapes
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import Database, ForeignKey, Table
from migrator_tui.sqlite.gathering import invalid_utf8
from migrator_tui.sqlite.locating import LOCATOR, located_rows, located_source, placed
from migrator_tui.sqlite.read import SnapshotReader, row_key, typed_cells
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.sqlite.statements import folded
from migrator_tui.sqlite.stored_values import CLASSES, class_only

ROWS = "_mt_rows"
"""The name under which a predicate finds the whole table, with the locator as ``LOCATOR``."""


def predicate(kind: str, columns: str | Sequence[str], argument: str = "") -> str:
    """The SQL condition of rows that a decision is about, for :func:`rows_where`.

    Kinds, over one column where nothing else is said:

    * ``nul``: a text with the character U+0000;
    * ``null-key``: NULL in one of the columns;
    * ``class-not``: a value, not NULL, of another storage class than those of ``argument`` (joined by ``+``);
    * ``placeholder``: a text that stands for no value (:mod:`migrator_tui.convert.placeholders`);
    * ``case-duplicate``: a text that equals an earlier row's but for the case of ASCII letters;
    * ``outside``: ``argument`` is a condition that follows the value (``NOT BETWEEN 1 AND 9``), or ``longer N`` for
      texts of more than N characters.

    Raises:
        ValueError: There is no such kind, or the argument does not fit it.
    """
    names = [quote_sqlite(name) for name in ([columns] if isinstance(columns, str) else columns)]
    if kind == "null-key":
        # SQLite takes IS NULL for false where NOT NULL is declared, whatever is stored.
        return "(" + " OR ".join(f"typeof({name}) = 'null'" for name in names) + ")"
    name = names[0]
    if kind == "nul":
        # A cast to a blob would find the zero bytes of UTF-16 as well.
        return f"(typeof({name}) = 'text' AND instr({name}, char(0)) > 0)"
    if kind == "class-not" and set(classes := argument.split("+")) <= set(CLASSES):
        listed = ", ".join(f"'{each}'" for each in ("null", *classes))
        return f"(typeof({name}) NOT IN ({listed}))"
    if kind == placeholders.PREDICATE:
        return placeholders.condition(name)
    if kind == "case-duplicate":
        first = f"SELECT min({LOCATOR}) FROM {ROWS} WHERE typeof({name}) = 'text' GROUP BY lower({name})"
        return f"(typeof({name}) = 'text' AND {LOCATOR} NOT IN ({first}))"
    if kind == "outside":
        word, _, length = argument.partition(" ")
        if word == "longer":
            return f"(typeof({name}) = 'text' AND length({name}) > {int(length)})"
        low, joined, high = argument.removeprefix("NOT BETWEEN ").partition(" AND ")
        if argument.startswith("NOT BETWEEN ") and joined:
            return f"({name} NOT BETWEEN {int(low)} AND {int(high)})"
    raise ValueError(f"there is no predicate {kind!r} with the argument {argument!r}")


def rows_where(snapshot: Path, table: Table, predicate_sql: str, opened: sqlite3.Connection | None = None) -> list[int]:
    """The locators of the rows that satisfy a condition over the table's columns, in order.

    Args:
        opened: To the snapshot, to ask of many tables; opening one reads the whole schema.

    Raises:
        SourceError: ``SOURCE-READ``: SQLite refused the condition.
    """
    with nullcontext(opened) if opened is not None else closing(connect(snapshot)) as connection:
        connection.create_function("_mt_spelled", 2, _spelled, deterministic=True)
        rows, locator = placed(table, ROWS)
        query = f"SELECT {locator} FROM {rows} WHERE {predicate_sql}"
        if f"FROM {ROWS}" in predicate_sql:
            query = f"WITH {ROWS} AS {located_rows(table)} SELECT {LOCATOR} FROM {ROWS} WHERE {predicate_sql}"
        try:
            return sorted(locator for (locator,) in connection.execute(query))
        except sqlite3.Error as error:
            raise _read_error(table, error) from error


def invalid_utf8_rows(snapshot: Path, table: Table, column: str) -> list[int]:
    """The locators of the rows whose text in that column is not UTF-8, in order."""
    return [
        locator
        for locators, values in _texts(snapshot, table, column)
        for locator in locators.filter(invalid_utf8(values)).to_pylist()
    ]


def rows_not_of_shapes(snapshot: Path, table: Table, column: str, shapes: Collection[str]) -> list[int]:
    """The locators of the rows whose text in that column has none of the given shapes, in order."""
    return [
        locator
        for locators, values in _texts(snapshot, table, column)
        for locator in locators.filter(pc.invert(of_shapes(values, shapes))).to_pylist()
    ]


def of_shapes(values: pa.Array, shapes: Collection[str]) -> pa.Array:
    """Which texts have one of the given shapes; false for NULL."""
    return pc.is_in(text_shapes.classify(_readable(values)), pa.array(sorted(shapes), pa.string()))


def violated(connection: sqlite3.Connection, table: Table) -> list[int]:
    """The places, in ``Table.foreign_keys``, of the foreign keys that SQLite's check finds violated or cannot check.

    All of the table's where one is a "foreign key mismatch", which keeps SQLite from checking the others. Empty where
    it cannot check them for another reason: a collation that only the application has.

    Args:
        connection: To the snapshot; one for all tables, because opening one reads the whole schema.
    """
    last = len(table.foreign_keys) - 1
    try:
        found = connection.execute(
            "SELECT DISTINCT fkid FROM pragma_foreign_key_check(?)", (table.name.name,)
        ).fetchall()
    except sqlite3.OperationalError as error:
        return list(range(len(table.foreign_keys))) if "mismatch" in str(error) else []
    return sorted(last - number for (number,) in found)  # SQLite numbers them from the last declared to the first


def orphans(snapshot: Path, database: Database, table: Table, fk_index: int) -> list[int]:
    """The locators of the rows whose foreign key number ``fk_index`` refers to nothing, in order.

    A NULL in any of its columns means no reference. Empty where the parent's columns do not exist.

    Raises:
        SourceError: ``SOURCE-READ``.
    """
    key = table.foreign_keys[fk_index]
    parent = database.table(key.parent)
    present = " AND ".join(f"{quote_sqlite(name)} IS NOT NULL" for name in key.columns)
    if parent is None:
        return rows_where(snapshot, table, present)
    if not _joinable(key, parent):
        return []
    child = ROWS
    found = f"SELECT 1 FROM {quote_sqlite(parent.name.name)} AS _mt_parent WHERE {_match(key, '_mt_parent', child)}"
    return rows_where(snapshot, table, f"{present} AND NOT EXISTS ({found})")


def spelled_apart(snapshot: Path, database: Database, table: Table, fk_index: int) -> list[int]:
    """The locators of the rows whose foreign key holds by a collation of the parent alone, in order.

    SQLite takes 'ann' for a reference to 'Ann' where the parent's column ignores case. Empty for all other keys.

    Raises:
        SourceError: ``SOURCE-READ``.
    """
    key = table.foreign_keys[fk_index]
    parent = database.table(key.parent)
    if parent is None or not _joinable(key, parent):
        return []
    if not any(parent.column(name).collation in ("NOCASE", "RTRIM") for name in key.parent_columns):
        return []
    matched = _match(key, "_mt_parent", ROWS)
    exact = " AND ".join(
        f"_mt_parent.{quote_sqlite(theirs)} = +{ROWS}.{quote_sqlite(ours)} COLLATE BINARY"
        for theirs, ours in zip(key.parent_columns, key.columns, strict=True)
    )
    found = f"SELECT 1 FROM {quote_sqlite(parent.name.name)} AS _mt_parent WHERE {matched}"
    return rows_where(snapshot, table, f"EXISTS ({found}) AND NOT EXISTS ({found} AND {exact})")


def written_apart(
    snapshot: Path, database: Database, table: Table, fk_index: int, classes: Mapping[tuple[str, str], Sequence[str]]
) -> list[int]:
    """The locators of the rows that refer to a row which the target writes otherwise than the reference, in order.

    That is so where a column of several storage classes becomes text that tells them apart: the text '12' is written
    in quotes there, and plainly in a column that holds texts alone.

    Args:
        classes: ``(table, column)`` → the storage classes that it holds.

    Raises:
        SourceError: ``SOURCE-READ``.
    """
    key = table.foreign_keys[fk_index]
    parent = database.table(key.parent)
    if parent is None or not _joinable(key, parent):
        return []
    pairs = list(zip(key.parent_columns, key.columns, strict=True))
    mixed = [
        pair
        for pair in pairs
        if max(len(classes.get((parent.name.name, pair[0]), ())), len(classes.get((table.name.name, pair[1]), ()))) > 1
    ]
    if not mixed:
        return []
    found = f"SELECT 1 FROM {quote_sqlite(parent.name.name)} AS _mt_parent WHERE {_match(key, '_mt_parent', ROWS)}"
    alike = " AND ".join(
        f"{_written(f'_mt_parent.{quote_sqlite(theirs)}', classes.get((parent.name.name, theirs), ()))} = "
        f"{_written(f'{ROWS}.{quote_sqlite(ours)}', classes.get((table.name.name, ours), ()))} COLLATE BINARY"
        for theirs, ours in mixed
    )
    try:
        return rows_where(snapshot, table, f"EXISTS ({found}) AND NOT EXISTS ({found} AND {alike})")
    except SourceError:  # a text that is not UTF-8 cannot be asked about
        return rows_where(snapshot, table, f"EXISTS ({found})")


def _written(column: str, classes: Sequence[str]) -> str:
    """SQLite's expression of what the target holds."""
    if len(classes) < 2:
        return f"CAST({column} AS TEXT)"
    return f"_mt_spelled('{'+'.join(classes)}', {several_classes.SELECT.format(column)})"


def _spelled(classes: str, marked: str | None) -> str | None:
    if marked is None:
        return None
    return str(several_classes.spelled(pa.array([marked]), frozenset(classes.split("+")))[0].as_py())


def case_groups(snapshot: Path, table: Table, column: str) -> int:
    """Rows whose texts in a column are equal to another row's but for the case of letters, of any alphabet.

    Raises:
        SourceError: ``SOURCE-READ``.
    """
    texts = pa.chunked_array([_readable(values) for _, values in _texts(snapshot, table, column)], pa.string())
    counts = pc.value_counts(pc.utf8_lower(texts)).field("counts")
    return int(pc.sum(counts.filter(pc.greater(counts, 1))).as_py() or 0)


def descendants(snapshot: Path, database: Database, seeds: Mapping[str, Sequence[int]]) -> dict[str, dict[int, str]]:
    """Every further row that refers, directly or through others, to a row that stays behind.

    Args:
        seeds: Source table → locators of the rows that stay behind.

    Returns:
        Source table → locator → reason, such as ``refers to users id=7, which is quarantined``. The seeds are not
        among them. A foreign key whose parent columns are no key there is not followed: it cannot be carried.

    Raises:
        SourceError: ``SOURCE-READ``.
    """
    tables = {table.name.name: table for table in database.tables}
    numbers = {name: number for number, name in enumerate(tables)}
    names = list(tables)
    with closing(connect(snapshot)) as connection:
        connection.execute("CREATE TEMP TABLE gone (tab INTEGER, src INTEGER, PRIMARY KEY (tab, src)) WITHOUT ROWID")
        connection.execute("CREATE TEMP TABLE edge (ptab INTEGER, psrc INTEGER, ctab INTEGER, csrc INTEGER)")
        for name, locators in seeds.items():
            rows = ((numbers[name], locator) for locator in locators)
            connection.executemany("INSERT OR IGNORE INTO gone VALUES (?, ?)", rows)
        for child, parent, key in _reachable(tables, [name for name, rows in seeds.items() if rows]):
            try:
                connection.execute(_edges(numbers, child, parent, key))
            except sqlite3.Error as error:
                raise _read_error(child, error) from error
        connection.execute("CREATE INDEX edge_parent ON edge (ptab, psrc)")
        found = connection.execute(_CLOSURE).fetchall()
    result: dict[str, dict[int, str]] = {}
    keys = _keys_of(snapshot, tables, {(names[ptab], psrc) for _, _, ptab, psrc in found})
    for ctab, csrc, ptab, psrc in found:
        parent_name = names[ptab]
        reason = f"refers to {parent_name} {keys[parent_name, psrc]}, which is quarantined"
        result.setdefault(names[ctab], {})[csrc] = reason
    return result


# Of several reasons the first parent's is given. An edge's parent that is gone is a seed or a further row.
_CLOSURE = """
WITH RECURSIVE further (tab, src) AS (
    SELECT tab, src FROM gone
    UNION
    SELECT edge.ctab, edge.csrc FROM further JOIN edge ON edge.ptab = further.tab AND edge.psrc = further.src
)
SELECT edge.ctab, edge.csrc, edge.ptab, min(edge.psrc)
FROM further JOIN edge ON edge.ptab = further.tab AND edge.psrc = further.src
WHERE NOT EXISTS (SELECT 1 FROM gone WHERE gone.tab = edge.ctab AND gone.src = edge.csrc)
GROUP BY edge.ctab, edge.csrc
ORDER BY edge.ctab, edge.csrc
"""


def _reachable(tables: Mapping[str, Table], roots: Sequence[str]) -> Iterator[tuple[Table, Table, ForeignKey]]:
    """The foreign keys by which rows can be lost when rows of the roots are."""
    waiting, seen = list(roots), set(roots)
    while waiting:
        parent = tables[waiting.pop()]
        for child in tables.values():
            for key in child.foreign_keys:
                if key.parent != parent.name or not _joinable(key, parent) or not _is_key(parent, key.parent_columns):
                    continue
                yield child, parent, key
                if child.name.name not in seen:
                    seen.add(child.name.name)
                    waiting.append(child.name.name)


def _edges(numbers: Mapping[str, int], child: Table, parent: Table, key: ForeignKey) -> str:
    """Which row of the child refers to which of the parent. CROSS JOIN keeps the parent inside, found by its key."""
    children, ours = placed(child, "_mt_child")
    parents, theirs = placed(parent, "_mt_parent", by_key=True)
    return (
        f"INSERT INTO edge SELECT {numbers[parent.name.name]}, {theirs}, {numbers[child.name.name]}, {ours} "
        f"FROM {children} CROSS JOIN {parents} "
        f"ON {_match(key, '_mt_parent', '_mt_child')}"
    )


def _match(key: ForeignKey, parent: str, child: str) -> str:
    """The parent's affinity and collation decide, as SQLite has it; the plus takes the child's affinity away."""
    pairs = zip(key.parent_columns, key.columns, strict=True)
    return " AND ".join(f"{parent}.{quote_sqlite(theirs)} = +{child}.{quote_sqlite(ours)}" for theirs, ours in pairs)


def _joinable(key: ForeignKey, parent: Table) -> bool:
    known = {column.name for column in parent.columns}
    return bool(key.columns) and len(key.columns) == len(key.parent_columns) and known >= set(key.parent_columns)


def _is_key(table: Table, columns: Sequence[str]) -> bool:
    wanted = {folded(name) for name in columns}
    keys = [key.columns for key in (table.primary_key, *table.uniques) if key is not None]
    keys += [tuple(p.column or "" for p in index.parts) for index in table.indexes if index.unique and not index.where]
    return any({folded(name) for name in key} == wanted for key in keys)


def _keys_of(
    snapshot: Path, tables: Mapping[str, Table], wanted: Collection[tuple[str, int]]
) -> dict[tuple[str, int], str]:
    by_table: dict[str, list[int]] = {}
    for name, locator in wanted:
        by_table.setdefault(name, []).append(locator)
    return {
        (name, locator): row_key(tables[name], cells, locator)
        for name, locators in by_table.items()
        for locator, cells in typed_cells(snapshot, tables[name], locators)
    }


def _texts(snapshot: Path, table: Table, column: str) -> Iterator[tuple[pa.Array, pa.Array]]:
    """The locators and texts of one column, other classes left out, batch by batch."""
    locator, source = located_source(table)
    texts = (
        f"SELECT {locator}, {class_only(column, 'text')} FROM {source} WHERE typeof({quote_sqlite(column)}) = 'text'"
    )
    query = f"SELECT 0 AS {LOCATOR}, '' AS value UNION ALL {texts}"
    skip = 1
    with SnapshotReader(snapshot) as reader:
        for batch in reader.arrow(query, batch_rows=4096):
            if batch.num_rows > skip:
                yield batch.column(0)[skip:], batch.column(1)[skip:]
            skip = 0


def _readable(values: pa.Array) -> pa.Array:
    """What is not UTF-8 replaced by a text that has no shape."""
    return pc.if_else(invalid_utf8(values), pa.scalar("?"), values)


def _read_error(table: Table, error: sqlite3.Error) -> SourceError:
    return SourceError(
        "SOURCE-READ",
        f"{table.name} cannot be read: {error}.",
        "Check the snapshot with the sqlite3 command line tool.",
    )
