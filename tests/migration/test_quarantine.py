from __future__ import annotations

import base64
import sqlite3
import struct
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from migrator_tui.convert.codecs import codec
from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.findings import CATALOGUE
from migrator_tui.model.plan import TablePlan
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, build, decided, fingerprint, rows, succeeded

Cell = tuple[str, bytes | None]


def stored(kind: str, raw: bytes | None, number: float | int | None) -> Cell:
    """A cell as it must be kept, by SQLite's own words for it."""
    if kind == "null":
        return "null", None
    if kind == "integer":
        return kind, str(number).encode()
    return (kind, struct.pack(">d", number)) if kind == "real" else (kind, raw)


def source_cells(path: Path, table: str, columns: list[str]) -> dict[int, dict[str, Cell]]:
    """Rowid → column → what SQLite stores."""
    selected = ", ".join(
        f"typeof({quote(c)}), CAST({quote(c)} AS BLOB), CASE WHEN typeof({quote(c)}) IN ('integer', 'real') "
        f"THEN {quote(c)} END"
        for c in columns
    )
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"SELECT rowid, {selected} FROM {quote(table)}").fetchall()
    return {
        row[0]: {c: stored(*row[1 + 3 * n : 4 + 3 * n]) for n, c in enumerate(columns)}
        for row in found
    }  # fmt: skip


def kept_cells(db: Connection, run: str) -> dict[str, dict[int, dict[str, Cell]]]:
    """Source table → locator → column → what ``migrator.quarantine`` holds."""
    found: dict[str, dict[int, dict[str, Cell]]] = {}
    for table, src, cells in rows(db, "SELECT tbl, src, cells FROM migrator.quarantine WHERE run = %s", run):
        found.setdefault(table, {})[src] = {
            name: (kind, None if data is None else base64.b64decode(data)) for name, (kind, data) in cells.items()
        }
    return found


def test_quarantined_rows_are_whole_with_their_reason_and_their_descendants(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    path = make_source(
        """
        CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, extra);
        CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, body TEXT);
        CREATE TABLE likes (post_id INTEGER REFERENCES posts, n REAL);
        INSERT INTO users VALUES (1, 'a', x'00ff'), (2, 'b' || char(0) || 'c', x''), (3, NULL, NULL);
        INSERT INTO posts VALUES (10, 1, 'x'), (11, 2, 'y'), (12, 2, NULL), (13, NULL, 'z');
        INSERT INTO likes VALUES (10, 1.5), (11, -0.5), (12, 9e999), (NULL, 0.1);
        """
    )

    outcome = succeeded(
        engine.migrate(path, target, decisions=decided(FindingDecision("VALUE-NUL", "quarantine", "users", "name")))
    )

    assert {t.source: (t.source_rows, t.staged_rows, t.quarantined_rows) for t in outcome.tables} == {
        "users": (3, 2, 1),
        "posts": (4, 2, 2),
        "likes": (4, 2, 2),
    }
    found = rows(db, "SELECT tbl, src, row_key, finding, reason FROM migrator.quarantine ORDER BY tbl DESC, src")
    assert [row[:4] for row in found] == [
        ("users", 2, "id=2", "VALUE-NUL"),
        ("posts", 11, "id=11", "FK-ORPHAN"),
        ("posts", 12, "id=12", "FK-ORPHAN"),
        ("likes", 2, "rowid=2", "FK-ORPHAN"),
        ("likes", 3, "rowid=3", "FK-ORPHAN"),
    ]
    assert "NUL characters in 1 of 2 texts" in found[0][4]
    assert [row[4] for row in found[1:]] == [
        "refers to users id=2, which is quarantined",
        "refers to users id=2, which is quarantined",
        "refers to posts id=11, which is quarantined",
        "refers to posts id=12, which is quarantined",
    ]
    for table, kept in kept_cells(db, outcome.run).items():
        columns = list(next(iter(kept.values())))
        everything = source_cells(path, table, columns)
        assert kept == {src: everything[src] for src in kept}
    assert rows(db, "SELECT id FROM users ORDER BY 1") == [(1,), (3,)]
    assert rows(db, "SELECT convalidated FROM pg_constraint WHERE conname = 'posts_user_id_fkey'") == [(True,)]


@pytest.mark.parametrize(
    ("choice", "expected", "validated"),
    [
        ("not-valid", [(1, 1), (2, 99), (3, None)], False),
        ("null", [(1, 1), (2, None), (3, None)], True),
        ("quarantine", [(1, 1), (3, None)], True),
    ],
)
def test_orphans_are_treated_as_decided(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection,
    choice: str, expected: list[Any], validated: bool,
) -> None:  # fmt: skip
    source = make_source(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1), (2, 99), (3, NULL);"
    )

    outcome = succeeded(engine.migrate(source, target, decisions=decided(FindingDecision("FK-ORPHAN", choice))))

    assert rows(db, "SELECT id, p FROM c ORDER BY id") == expected
    assert rows(db, "SELECT convalidated FROM pg_constraint WHERE conname = 'c_p_fkey'") == [(validated,)]
    assert {t.source: t.quarantined_rows for t in outcome.tables} == {"p": 0, "c": 3 - len(expected)}


def test_a_table_all_of_whose_rows_stay_behind_is_published_empty(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a, b)); INSERT INTO t VALUES (NULL, 'x'), ('y', NULL);"
    )

    outcome = succeeded(engine.migrate(source, target, decisions=decided(FindingDecision("KEY-NULL", "quarantine"))))

    (table,) = outcome.tables
    assert (table.source_rows, table.staged_rows, table.quarantined_rows) == (2, 0, 2)
    assert rows(db, "SELECT * FROM t") == []


DECLARED = [
    "INTEGER", "TEXT", "REAL", "BLOB", "", "NUMERIC", "DECIMAL(10,2)", "DATETIME", "DATE", "BOOLEAN", "VARCHAR(5)",
    "JSON",
]  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.sampled_from([0, 1, 2**63 - 1, -(2**63), 2**53 + 1, 1.5, 0.1, -0.0, 1e300, float("inf"), 123.45]),
    st.integers(-5, 5),
    st.text(max_size=4),
    st.sampled_from(
        ["a\0b", "t", "f", "2026-01-05", "2026-01-05 10:00:00", "2026-02-30", "", "12", "1e3", "ünï", "{}"]
    ),
    st.binary(max_size=3),
    st.sampled_from([("raw", b"caf\xe9"), ("raw", b"\xff\0")]),
)
TABLES = st.lists(
    st.lists(st.sampled_from(DECLARED), min_size=1, max_size=4).flatmap(
        lambda declared: st.tuples(
            st.just(declared),
            st.lists(
                st.tuples(st.one_of(st.none(), st.integers(1, 6)), st.tuples(*[VALUES] * len(declared))), max_size=6
            ),
        )
    ),
    min_size=1,
    max_size=3,
)
CHOICES = st.fixed_dictionaries(
    {kind.id: st.sampled_from([choice.name for choice in kind.choices]) for kind in CATALOGUE.values() if kind.choices}
)


def fill(connection: sqlite3.Connection, tables: list[Any]) -> None:
    for number, (declared, content) in enumerate(tables):
        columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(declared))
        connection.execute(
            f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t{max(number - 1, 0)}, {columns})"
        )
        for up, cells in content:
            marks = ", ".join("CAST(? AS TEXT)" if isinstance(cell, tuple) else "?" for cell in cells)
            plain = [cell[1] if isinstance(cell, tuple) else cell for cell in cells]
            names = ", ".join(f"c{n}" for n in range(len(cells)))
            connection.execute(f"INSERT INTO t{number} (up, {names}) VALUES (?, {marks})", [up, *plain])


def found_again(db: Connection, table: TablePlan, column: int) -> list[Any]:
    """A published column turned back by its codec, as its source's storage class and bytes."""
    planned = table.columns[column]
    carried = codec(planned.codec)
    assert carried.to_source is not None
    select = f"SELECT {quote(planned.target)} FROM {quote_name(table.target)} ORDER BY id"
    empty = {"0": pa.int64(), "0.0": pa.float64(), "''": pa.string(), "x''": pa.binary()}[carried.header]
    sent = carried.to_target(pa.array([], empty)).type
    turned = carried.to_source(pa.array([value for (value,) in rows(db, select)], sent))
    return turned.cast(pa.binary()).to_pylist() if carried.header == "''" else turned.to_pylist()  # type: ignore[no-any-return]


def comparable(cell: Cell, codec_name: str) -> Any:
    kind, data = cell
    if data is None:
        return None
    if codec_name.startswith("text:exact-"):
        mark = kind[:1].encode()
        if kind == "real":
            return mark + repr(struct.unpack(">d", data)[0]).encode()
        return mark + (data.hex().upper().encode() if kind == "blob" else data)
    if kind == "integer":
        # Whole reals of a NUMERIC column are stored as integers, and become integers again by its affinity.
        return float(data) if codec_name.startswith(("real", "decimal")) else int(data)
    return struct.unpack(">d", data)[0] if kind == "real" else data


@given(TABLES, CHOICES)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes, and examples are small
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_stored_and_decided_every_row_is_accounted_for(
    target: Target, db: Connection, engine: Engine, tables: list[Any], choices: dict[str, str]
) -> None:
    db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")  # an earlier example may have failed
    before = fingerprint(db)
    with tempfile.TemporaryDirectory() as folder:
        path = build(Path(folder) / "source.db", lambda connection: fill(connection, tables))
        decisions = Decisions(tuple(FindingDecision(id, choice) for id, choice in choices.items()))
        outcome = engine.migrate(path, target, decisions=decisions, accept_lossy=True)
        assert outcome.status is RunStatus.SUCCEEDED, outcome.error
        plan = read_plan(RunFolder.open(outcome.run))
        kept = kept_cells(db, outcome.run)
        for table, counts in zip(plan.tables, outcome.tables, strict=True):
            names = [column.source for column in table.columns]
            everything = source_cells(path, table.source, names)
            left = kept.get(table.source, {})
            assert counts.source_rows == len(everything) == counts.staged_rows + counts.quarantined_rows
            assert left == {src: everything[src] for src in left}
            assert len(left) == counts.quarantined_rows
            there = [src for (src,) in rows(db, f"SELECT id FROM {quote_name(table.target)} ORDER BY id")]
            assert sorted([*there, *left]) == sorted(everything)
            nulled = {column for rule in table.row_rules if rule.nulls for column in rule.columns}
            for number, column in enumerate(table.columns):
                if codec(column.codec).lossless and column.source not in nulled:
                    expected = [comparable(everything[src][column.source], column.codec) for src in there]
                    assert found_again(db, table, number) == expected
    undone = engine.rollback(outcome.run, target)
    assert undone.status is RunStatus.ROLLED_BACK, undone.error
    assert fingerprint(db) == before
