"""Columns of UUIDs, JSON and written booleans: what they become, by whose choice, and that they come back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration.comparing_files import contents
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, rows, succeeded

Connection = psycopg.Connection[Any]

A, B = "0b5a3f0e-6c1d-4a3e-9f00-1d2c3b4a5968", "ffffffff-0000-4000-8000-00000000000a"
UUIDS = f"""
    CREATE TABLE p (id TEXT PRIMARY KEY, hex CHAR(32), raw BLOB, loud GUID, part UUID);
    CREATE TABLE c (id INTEGER PRIMARY KEY, p TEXT REFERENCES p (id), CHECK (p <> 'never'));
    CREATE TABLE d (p TEXT REFERENCES p (id));
    CREATE VIEW of_one AS SELECT c.id FROM c JOIN p ON p.id = c.p WHERE p.id = '{A}';
    INSERT INTO p VALUES
        ('{A}', '{A.replace("-", "")}', x'{A.replace("-", "")}', '{A.upper()}', '{A}'),
        ('{B}', '{B.replace("-", "")}', x'{B.replace("-", "")}', '{B.upper()}', 'none');
    INSERT INTO c (p) VALUES ('{A}'), ('{B}'), (NULL);
"""


def types_of(db: Connection, table: str) -> dict[str, str]:
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return dict(rows(db, query, table))


def test_uuids_stay_texts_unless_the_column_is_declared_so(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(UUIDS)

    outcome = succeeded(engine.migrate(source, target))

    assert types_of(db, "p") == {
        "id": "text", "hex": "character varying(32)", "raw": "bytea", "loud": "uuid", "part": "text",
    }  # fmt: skip
    asked = {(f.table, f.column): f.choices for f in outcome.findings if f.id == "TYPE-UUID"}
    assert asked == {
        ("p", "id"): ("text", "uuid"),
        ("p", "hex"): ("text", "uuid"),
        ("p", "raw"): ("bytea", "uuid"),
        ("p", "loud"): ("uuid", "text"),
    }
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)


def test_a_key_that_becomes_uuid_takes_the_columns_that_refer_to_it_along(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(UUIDS)

    outcome = succeeded(engine.migrate(source, target, decisions=Decisions((FindingDecision("TYPE-UUID", "uuid"),))))

    assert set(types_of(db, "p").values()) == {"uuid", "text"}
    assert [types_of(db, table)["p"] for table in "cd"] == ["uuid", "uuid"]
    validated = (
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated "
        "AND conrelid IN (%s::regclass, %s::regclass)"
    )
    assert rows(db, validated, "c", "d") == [(2,)]
    assert not [f for f in outcome.findings if f.id.endswith("-NOT-CARRIED") or f.id == "FK-PARENT"]
    assert rows(db, "SELECT id FROM of_one") == [(1,)]
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)


def test_a_reference_of_another_spelling_keeps_the_key_a_text(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(
        f"CREATE TABLE p (id UUID PRIMARY KEY); CREATE TABLE c (p UUID REFERENCES p (id));"
        f"INSERT INTO p VALUES ('{A}'); INSERT INTO c VALUES ('{A}'), ('{A.upper()}');"
    )

    succeeded(engine.migrate(source, target))

    assert (types_of(db, "p"), types_of(db, "c")) == ({"id": "text"}, {"p": "text"})


def test_json_becomes_jsonb_only_where_every_value_survives(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(
        """
        CREATE TABLE t (
            kept JSON DEFAULT '{}' CHECK (json_valid(kept)), twice JSON, broken JSON, keyed JSON UNIQUE, nul JSON,
            minus JSON
        );
        """
    )
    first = ('{"b": 1.50, "a": [1, null]}', '{"a": 1, "a": 2}', "[1]", '{"a":1}', '["\\u0000"]', "[-0.0]")
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", first)
        connection.execute("INSERT INTO t VALUES ('[]', '[]', 'nothing', '{\"a\": 1}', '[]', '[]')")

    outcome = succeeded(engine.migrate(source, target))

    assert types_of(db, "t") == {
        "kept": "jsonb", "twice": "json", "broken": "text", "keyed": "text", "nul": "json", "minus": "json",
    }  # fmt: skip
    asked = {f.column: f.choices for f in outcome.findings if f.id == "TYPE-JSON"}
    assert asked["kept"] == ("jsonb", "json", "text")
    assert asked["keyed"] == ("text",)
    assert not [f for f in outcome.findings if f.id.endswith("-NOT-CARRIED")]
    pull(PullRequest(tmp_path / "back.db"), target)
    before, after = (contents(path, without={("t", "kept")}) for path in (source, tmp_path / "back.db"))
    assert after == before
    with closing(sqlite3.connect(tmp_path / "back.db")) as back:
        assert json.loads(back.execute("SELECT kept FROM t").fetchone()[0]) == json.loads(first[0])


def test_a_boolean_that_is_written_in_words_is_one_everywhere(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(
        """
        CREATE TABLE t (
            a BOOLEAN DEFAULT 'no' CHECK (a IN ('yes', 'no')), b BOOL, c TEXT, d BOOLEAN
        );
        INSERT INTO t VALUES ('yes', 'Y', 'on', 'yes'), ('no', 'N', 'off', 'no'), (NULL, NULL, NULL, 'perhaps');
        CREATE INDEX i ON t (b) WHERE a = 'yes';
        """
    )
    wanted = Scope(tables={"t": TableOverride(columns={"c": (None, "boolean", None)})})

    outcome = succeeded(engine.migrate(source, target, scope=wanted))

    assert types_of(db, "t") == {"a": "boolean", "b": "boolean", "c": "boolean", "d": "text"}
    assert not [f for f in outcome.findings if f.id in ("CHECK-NOT-CARRIED", "DEFAULT-NOT-CARRIED")]
    db.execute("INSERT INTO t (d) VALUES ('new')")
    assert rows(db, "SELECT a, b, c FROM t WHERE d <> 'perhaps' ORDER BY d") == [
        (False, None, None), (False, False, False), (True, True, True),
    ]  # fmt: skip
    db.execute("DELETE FROM t WHERE d = 'new'")
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)
