"""Types that only the server reads, given or there already: every value is tried, and proved to come back."""

from __future__ import annotations

from pathlib import Path

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.decisions import FindingDecision, OnConflict
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration.comparing_files import contents
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, rows, succeeded, text
from tests.migration.test_verify import verified

GIVEN = {
    "ip": "inet", "net": "cidr", "mac": "macaddr", "took": "interval", "at": "point", "tags": "text[]",
    "span": "int4range", "mail": "address", "role": "role", "age": "age", "price": "money", "bits": "bit(3)",
    "amount": "numeric(6,2)", "clock": "time with time zone", "ids": "integer[]", "size": "double precision",
}  # fmt: skip
SCOPE = Scope(tables={"t": TableOverride(columns={name: (None, kind, None) for name, kind in GIVEN.items()})})
TYPES = (
    "CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%')",
    "CREATE TYPE role AS ENUM ('admin', 'member')",
    "CREATE DOMAIN age AS integer CHECK (VALUE BETWEEN 0 AND 150)",
)
SOURCE = """
    CREATE TABLE t (
        id INTEGER PRIMARY KEY, ip TEXT DEFAULT '127.0.0.1', net TEXT, mac TEXT, took TEXT, at TEXT, tags TEXT,
        span TEXT, mail TEXT CHECK (mail <> ''), role TEXT, age INTEGER, price TEXT, bits TEXT, amount TEXT, clock TEXT,
        ids TEXT, size TEXT, more TEXT AS (ip || '!')
    );
    CREATE INDEX ips ON t (ip);
    INSERT INTO t VALUES
        (1, '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '1 day 02:00:00', '(1,2)', '{a,"b c"}', '[1,5)', 'a@x',
         'admin', 3, '$1.50', '101', '1.50', '10:00:00+00', '{1,2}', '0.5'),
        (2, 'fe80::1', '10.0.0.1/8', '08-00-2B-01-02-03', '26 hours', '1, 2', '{a', '[1,4]', 'nobody', 'guest', 151,
         '1.5', '11', '1.505', '10:00', '{1, 2}', '0.50'),
        (3, 'localhost', NULL, NULL, 'P1D', NULL, '{}', 'empty', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""
REFUSED = {"ip": 1, "net": 1, "tags": 1, "mail": 1, "role": 1, "age": 1}
RESPELLED = dict.fromkeys(["mac", "at", "span", "price", "bits", "amount", "clock", "ids", "size"], 1) | {"took": 2}


def test_values_go_into_given_types_as_the_server_reads_them_or_are_asked_about(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    for statement in TYPES:
        db.execute(text(statement))
    source = make_source(SOURCE)

    left = engine.migrate(source, target, scope=SCOPE)

    assert left.status is RunStatus.NEEDS_DECISIONS, left.error
    asked = {id: {f.column: f.rows for f in left.findings if f.id == id} for id in ("VALUE-RANGE", "VALUE-RESPELLED")}
    assert asked == {"VALUE-RANGE": REFUSED, "VALUE-RESPELLED": RESPELLED}
    assert {(f.column, f.keys, f.samples) for f in left.findings if f.column in ("ip", "mac") and f.rows} == {
        ("ip", ("id=3",), ("'localhost'",)),
        ("mac", ("id=2",), ("'08-00-2B-01-02-03'",)),
    }

    taken = decided(
        FindingDecision("VALUE-RANGE", "null"),
        FindingDecision("VALUE-RESPELLED", "null", "t", "at"),
        FindingDecision("VALUE-RESPELLED", "respelled"),
    )
    run = succeeded(engine.migrate(source, target, scope=SCOPE, decisions=taken))

    kinds = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass"
    assert {name: kind for name, kind in rows(db, kinds) if name in GIVEN} == GIVEN
    names = ("ip", "mac", "took", "at", "tags", "amount", "ids", "size")
    shown = ", ".join(f"nullif(format('%s', {name}), '')" for name in names)
    assert rows(db, f"SELECT {shown} FROM t ORDER BY id") == [
        ("10.0.0.1", "08:00:2b:01:02:03", "1 day 02:00:00", "(1,2)", '{a,"b c"}', "1.50", "{1,2}", "0.5"),
        ("fe80::1", "08:00:2b:01:02:03", "26:00:00", None, None, "1.51", "{1,2}", "0.5"),
        (None, None, "1 day", None, "{}", None, None, None),
    ]
    missing, tables = verified(run.run, target)
    assert (missing, tables["t"][1].missing, tables["t"][1].extra) == ([], 0, 0)
    pull(PullRequest(tmp_path / "back.db"), target)
    lost = {("t", name) for name in {*REFUSED, *RESPELLED, "more"}}
    assert contents(tmp_path / "back.db", without=lost) == contents(source, without=lost)
    assert engine.rollback(run.run, target).status is RunStatus.ROLLED_BACK


def test_rows_join_a_live_table_whose_types_only_the_server_reads(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    db.execute(
        "CREATE TABLE host (ip inet PRIMARY KEY, up interval NOT NULL, tags text[] DEFAULT '{}', load double precision)"
    )
    db.execute("INSERT INTO host VALUES ('10.0.0.1', '1 day', '{a}', 1), ('10.0.0.2', '2 days', '{b}', 2)")
    source = make_source(
        """
        CREATE TABLE host (ip TEXT PRIMARY KEY, up TEXT, tags TEXT, load TEXT);
        INSERT INTO host VALUES ('10.0.0.1', '1 day', '{a}', '1'), ('10.0.0.2', '3 days', '{b}', '2'),
            ('10.0.0.3', '1 hour', NULL, '0.5'), ('10.0.0.4', 'soon', NULL, '4');
        """
    )

    left = engine.migrate(source, target, accept_lossy=True)

    assert left.status is RunStatus.NEEDS_DECISIONS, left.error
    assert (left.conflicts_found, left.tables[0].quarantined_rows) == (1, 1)
    assert {f.id: (f.column, f.keys) for f in left.findings if f.rows and f.column} == {
        "VALUE-RANGE": ("up", ("ip='10.0.0.4'",)),
        "VALUE-RESPELLED": ("up", ("ip='10.0.0.3'",)),
    }
    outcome = succeeded(engine.resume(left.run, target, on_conflict=OnConflict.KEEP_SOURCE))
    assert rows(db, "SELECT format('%s', ip), up::text, tags::text, load FROM host ORDER BY ip") == [
        ("10.0.0.1", "1 day", "{a}", 1.0), ("10.0.0.2", "3 days", "{b}", 2.0), ("10.0.0.3", "01:00:00", None, 0.5),
    ]  # fmt: skip
    missing, tables = verified(outcome.run, target)
    assert (missing, tables["host"][1].missing) == ([], 0)
    assert engine.rollback(outcome.run, target).status is RunStatus.ROLLED_BACK
    assert rows(db, "SELECT format('%s', ip), up::text FROM host ORDER BY ip") == [
        ("10.0.0.1", "1 day"), ("10.0.0.2", "2 days"),
    ]  # fmt: skip


def test_a_given_type_that_the_target_does_not_have_is_refused_before_anything_is_done(
    make_source: MakeSource, engine: Engine, target: Target
) -> None:
    scope = Scope(tables={"t": TableOverride(columns={"a": (None, "hstroe", None)})})

    outcome = engine.migrate(make_source("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x');"), target, scope=scope)

    assert outcome.error is not None
    assert (outcome.error.id, "hstroe" in outcome.error.message) == ("PLAN-TYPE", True)
