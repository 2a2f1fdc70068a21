"""A database with every trap that a file can express, migrated by the command line and audited trap by trap.

What no file can express is tested elsewhere: memory (21), and renames that look like drop and add (25).
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrator_tui import locations
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from tests.migration import auditing
from tests.migration.running import build, rows

TRAPS: dict[str, tuple[str, set[str]]] = {
    "01_value_not_of_the_declared_type": (
        "CREATE TABLE t01 (n INTEGER); INSERT INTO t01 VALUES (1), ('n/a'), (2.5);",
        {"TYPE-MIXED"},
    ),
    "02_odd_missing_and_misspelt_types": (
        "CREATE TABLE t02 (a foo, b, c integr, d STRING); INSERT INTO t02 VALUES (1, 2, 3, 'x');",
        {"TYPE-UNTYPED"},
    ),
    "03_booleans_in_every_spelling": (
        "CREATE TABLE t03 (a BOOLEAN DEFAULT 1, b BOOLEAN DEFAULT 't', c BOOLEAN, d BOOLEAN);"
        "INSERT INTO t03 VALUES (0, 't', 'true', 7), (1, 'f', 'false', 1);",
        {"TYPE-KEPT"},
    ),
    "04_datetimes_in_many_shapes": (
        "CREATE TABLE t04 (a DATETIME, b DATETIME, c TIMESTAMP, d DATE); INSERT INTO t04 VALUES"
        "('2026-01-05 10:00:00', '2026-01-05 10:00:00', 1767607200, '0000-00-00'), "
        "('2026-01-06 10:00:00', '05.01.2026', 1767607201, '2026-01-05');",
        {"DATE-MIXED"},
    ),
    "05_integers_and_reals_at_their_ends": (
        "CREATE TABLE t05 (a INT, b REAL); INSERT INTO t05 VALUES (9223372036854775807, 0.1), "
        "(-9223372036854775808, 5e-324), (3000000000, 1.7976931348623157e308);",
        set(),
    ),
    "06_infinities": ("CREATE TABLE t06 (x REAL); INSERT INTO t06 VALUES (9e999), (-9e999), (1.5);", set()),
    "07_autoincrement_high_water_mark": (
        "CREATE TABLE t07 (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t07 VALUES (41); DELETE FROM t07;",
        set(),
    ),
    "08_nulls_in_a_primary_key": (
        "CREATE TABLE t08 (a TEXT, b TEXT, PRIMARY KEY (a, b)); INSERT INTO t08 VALUES ('x', NULL), ('x', 'y');",
        {"KEY-NULL"},
    ),
    "09_case_quoting_and_reserved_words": (
        'CREATE TABLE t09 ("select" INT, "na me" INT, "Na""me" INT, "a.b" INT, "" INT, xmin INT);'
        "INSERT INTO t09 VALUES (1, 2, 3, 4, 5, 6);",
        {"NAME-CHANGED"},
    ),
    "10_names_over_63_bytes_that_collide": (
        f"CREATE TABLE t10 ({'x' * 70}1 INT, {'x' * 70}2 INT); INSERT INTO t10 VALUES (1, 2);",
        {"NAME-CHANGED"},
    ),
    "11_foreign_keys_implicit_composite_self_and_cyclic": (
        "CREATE TABLE t11 (a INT, b INT, up INT, other INT REFERENCES t11b, PRIMARY KEY (a, b), "
        "FOREIGN KEY (a, up) REFERENCES t11); CREATE TABLE t11b (id INTEGER PRIMARY KEY, a INT, b INT, "
        "FOREIGN KEY (a, b) REFERENCES t11 (a, b) ON DELETE CASCADE);"
        "INSERT INTO t11 VALUES (1, 1, NULL, 7), (1, 2, 1, NULL); INSERT INTO t11b VALUES (7, 1, 2);",
        set(),
    ),
    "12_orphan_rows": (
        "CREATE TABLE t12p (id INTEGER PRIMARY KEY); CREATE TABLE t12 (p INT REFERENCES t12p, m INT REFERENCES gone);"
        "INSERT INTO t12p VALUES (1); INSERT INTO t12 VALUES (1, NULL), (99, NULL);",
        {"FK-ORPHAN", "FK-PARENT"},
    ),
    "13_defaults": (
        "CREATE TABLE t13 (a TEXT DEFAULT \"dq\", b TEXT DEFAULT CURRENT_TIMESTAMP, c TEXT DEFAULT (strftime('%Y')),"
        "d TEXT DEFAULT (datetime('now','localtime')), e TEXT DEFAULT 'null', f BLOB DEFAULT (zeroblob(3)), "
        "g INT DEFAULT (fts5_source_id())); INSERT INTO t13 (a) VALUES ('x');",
        {"DEFAULT-NOT-CARRIED"},
    ),
    "14_generated_columns": (
        "CREATE TABLE t14 (a INT, b INT AS (a * 2) STORED, c TEXT AS (printf('%07.2f', a)), d AS (upper(b)));"
        "INSERT INTO t14 VALUES (3);",
        {"GENERATED-NOT-CARRIED", "GENERATED-STORED"},
    ),
    "15_checks_partial_and_expression_indexes": (
        "CREATE TABLE t15 (a INT CHECK (a > 0), b TEXT CHECK (b NOT LIKE 'z%'));"
        "CREATE UNIQUE INDEX t15p ON t15 (b) WHERE a > 5; CREATE INDEX t15e ON t15 (lower(b), a DESC);"
        "INSERT INTO t15 VALUES (1, 'x'), (2, 'x');",
        set(),
    ),
    "16_columns_that_ignore_case": (
        "CREATE TABLE t16 (a TEXT COLLATE NOCASE UNIQUE); INSERT INTO t16 VALUES ('Ann'), ('Äb'), ('äb');",
        {"COLLATION-NOT-CARRIED"},
    ),
    "17_views_and_triggers": (
        "CREATE TABLE t17 (a INT); CREATE VIEW t17v AS SELECT sum(a) AS s FROM t17; CREATE VIEW t17w AS SELECT s FROM "
        "t17v; CREATE VIEW t17x AS SELECT * FROM nowhere; CREATE TRIGGER t17t AFTER INSERT ON t17 BEGIN "
        "DELETE FROM t17 WHERE a < 0; END; INSERT INTO t17 VALUES (1);",
        {"VIEW-NOT-CARRIED", "TRIGGER-NOT-CARRIED"},
    ),
    "18_nul_in_text_and_json": (
        "CREATE TABLE t18 (a TEXT, j JSON); INSERT INTO t18 VALUES (CAST(x'610062' AS TEXT), '{\"a\":\"\\u0000\"}');",
        {"VALUE-NUL"},
    ),
    "19_text_that_is_not_utf8": (
        "CREATE TABLE t19 (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t19 VALUES (1, CAST(x'636166e9' AS TEXT));",
        {"VALUE-UTF8"},
    ),
    "20_blobs": ("CREATE TABLE t20 (a BLOB); INSERT INTO t20 VALUES (x''), (x'00ff5c'), (randomblob(999));", set()),
    "22_rows_lost_in_silence": (
        "CREATE TABLE t22 (a INT); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1119) "
        "INSERT INTO t22 SELECT i FROM n;",
        set(),
    ),
    "23_a_live_source_whose_wal_is_not_copied": ("CREATE TABLE t23 (a INT);", set()),
    "24_a_target_that_holds_rows": ("CREATE TABLE t24 (a INT); INSERT INTO t24 VALUES (1);", set()),
}
"""Trap → what of the file shows it, and the findings that have to explain it."""


@dataclass(frozen=True, slots=True)
class Migrated:
    source: Path
    target: Target
    document: dict[str, Any]
    complaints: list[str]
    markdown: str


@pytest.fixture(scope="module")
def migrated(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """The trap database, migrated once for all tests while its owner writes to it."""
    folder = tmp_path_factory.mktemp("traps")
    source = build(folder / "traps.db", "".join(script for script, _ in TRAPS.values()))
    target = fresh_database(server.target(), "every_trap")
    environment = os.environ | {locations.HOME_VARIABLE: str(folder / "home")}

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "migrator_tui", *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with connect(target) as connection:
        connection.execute("CREATE TABLE precious (a integer)")
        connection.execute("INSERT INTO precious VALUES (1)")
    with closing(sqlite3.connect(source)) as live:
        live.execute("PRAGMA journal_mode = WAL")
        live.execute("INSERT INTO t23 VALUES (1), (2)")
        live.commit()
        ends = ("--source", source, "--target", target.display)
        document = json.loads(run("migrate", *ends, "--yes", "--accept-lossy", "--json"))
        complaints = auditing.audit(source, target, document)
    return Migrated(source, target, document, complaints, run("report", document["run"], "--format", "md"))


def test_everything_of_the_trap_database_arrives_or_is_named(migrated: Migrated) -> None:
    assert migrated.document["status"] == "succeeded"
    assert migrated.complaints == []


@pytest.mark.parametrize(
    "line",
    [
        "| b | b | double precision | real |",
        "| id | id | bigint not null, identity, next 42 | integer |",
        "- foreign key (a, up) → public.t11 (a, b)",
        "- foreign key (a, b) → public.t11 (a, b) ON DELETE CASCADE",
        "- foreign key (p) → public.t12p (id) NOT VALID",
        "| e | e | text, default 'null' | text |",
        "| b | b | bigint, computed as",
        "- index t15p: UNIQUE (b) WHERE",
        "- index t15e: (lower(",
        "- index t16_a_folded_key: UNIQUE (lower(",
        "- t17w → public.t17w: `SELECT",
    ],
)
def test_the_report_has_what_became_of_a_trap_that_left_nothing_to_decide(migrated: Migrated, line: str) -> None:
    assert line in migrated.markdown


@pytest.mark.parametrize("trap", TRAPS)
def test_the_trap_is_explained(migrated: Migrated, trap: str) -> None:
    prefix = f"t{trap[:2]}"
    findings = [f for f in migrated.document["findings"] if prefix in f"{f['table']} {f['object']} {f['message']}"]
    assert {f["id"] for f in findings} >= TRAPS[trap][1]
    assert all(f["decision"] for f in findings if f["choices"])
    assert all(f["id"] in migrated.markdown for f in findings)
    tables = [t for t in migrated.document["tables"] if t["source"].startswith(prefix)]
    assert tables
    assert all(t["source_rows"] == t["staged_rows"] + t["quarantined_rows"] and t["verified"] for t in tables)


def test_rows_in_the_wal_of_a_live_source_arrive(migrated: Migrated) -> None:
    with connect(migrated.target) as connection:
        assert rows(connection, "SELECT count(*) FROM t23") == [(2,)]


def test_what_the_target_held_before_is_there_still(migrated: Migrated) -> None:
    with connect(migrated.target) as connection:
        assert rows(connection, "SELECT a FROM precious") == [(1,)]


def test_an_empty_table_goes_on_counting_after_the_highest_key_that_it_ever_gave(migrated: Migrated) -> None:
    with connect(migrated.target) as connection:
        assert rows(connection, "INSERT INTO t07 DEFAULT VALUES RETURNING id") == [(42,)]
        connection.rollback()
