"""What is missing is named with the GRANT that gives it; giving that is enough; and asking changes nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.request import Request
from migrator_tui.migration.rolling_back import Rollback
from migrator_tui.migration.run import begin
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.runner import Runner
from migrator_tui.model.decisions import Decisions, FindingDecision, OnConflict
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Action, Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.fingerprint import listing
from migrator_tui.postgres.inspect import inspect
from migrator_tui.postgres.ledger import create_run, install, take_over
from migrator_tui.postgres.privileges import Missing, Needs, probe
from migrator_tui.postgres.server import EmbeddedServer

Connection = psycopg.Connection[tuple[Any, ...]]
Role = Callable[..., Target]

LIVE = TableName("public", "live")
PARENT = TableName("Odd schema", 'pa"rent')
EVERYTHING = Needs("public", creates=True, merges=(LIVE,), references=(PARENT,), enums=True)
TABLES = """
    CREATE TABLE live (id serial PRIMARY KEY, other int GENERATED ALWAYS AS IDENTITY);
    CREATE SCHEMA "Odd schema";
    CREATE TABLE "Odd schema"."pa""rent" (id int PRIMARY KEY);
"""


def missing(target: Target, needs: Needs) -> list[Missing]:
    """What the role lacks."""
    with connect(target) as connection:
        return probe(connection, needs)


def test_a_superuser_lacks_nothing(target: Target, db: Connection) -> None:
    db.execute(TABLES)
    assert missing(target, EVERYTHING) == []


def test_a_new_role_lacks_everything_and_the_grants_that_are_named_are_enough(
    role: Role, target: Target, db: Connection
) -> None:
    db.execute(TABLES)
    limited = role()
    db.execute(f"REVOKE TEMPORARY ON DATABASE {target.database} FROM PUBLIC")
    lacks = missing(limited, EVERYTHING)
    who = f'"{limited.user}"'
    assert [item.grant for item in lacks] == [
        f'GRANT CREATE ON DATABASE "{target.database}" TO {who}',
        f'GRANT TEMPORARY ON DATABASE "{target.database}" TO {who}',
        f'GRANT USAGE, CREATE ON SCHEMA "public" TO {who}',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."live" TO {who}',
        f'GRANT USAGE ON SCHEMA "Odd schema" TO {who}',
        f'GRANT SELECT, REFERENCES ON "Odd schema"."pa""rent" TO {who}',
        f"GRANT SELECT, UPDATE ON SEQUENCE public.live_id_seq TO {who}",
        f"GRANT SELECT, UPDATE ON SEQUENCE public.live_other_seq TO {who}",
    ]
    assert all(item.what and item.why for item in lacks)
    for item in lacks:
        db.execute(item.grant)
    assert missing(limited, EVERYTHING) == []


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_single_right_that_is_missing_is_named_alone(role: Role, db: Connection, right: str) -> None:
    db.execute(TABLES)
    limited = role(
        "GRANT ALL ON live", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public",
        f"GRANT CREATE ON DATABASE {db.info.dbname}", "GRANT CREATE ON SCHEMA public",
    )  # fmt: skip
    db.execute(f'REVOKE {right} ON live FROM "{limited.user}"')
    needs = Needs("public", creates=True, merges=(LIVE,))
    assert [item.what for item in missing(limited, needs)] == [f"{right} on public.live"]


def test_only_what_is_needed_is_asked_for(role: Role, db: Connection) -> None:
    db.execute(TABLES)
    limited = role(f"GRANT CREATE ON DATABASE {db.info.dbname}")
    assert missing(limited, Needs("public", creates=False)) == []


def test_a_schema_that_does_not_exist_is_to_be_made(role: Role, db: Connection) -> None:
    limited = role(f"GRANT CREATE ON DATABASE {db.info.dbname}")
    needs = Needs('new "one"', creates=True)
    (lack,) = missing(limited, needs)
    assert (lack.what, lack.why) == ('the schema new "one"', "it does not exist")
    db.execute(lack.grant)
    assert missing(limited, needs) == []


def test_new_types_are_made_where_new_tables_are(role: Role, db: Connection) -> None:
    limited = role(f"GRANT CREATE ON DATABASE {db.info.dbname}")
    needs = Needs("public", creates=False, enums=True)
    (lack,) = missing(limited, needs)
    db.execute(lack.grant)
    assert missing(limited, needs) == []


def test_a_table_that_does_not_exist_is_named(target: Target) -> None:
    (lack,) = missing(target, Needs("public", creates=False, merges=(TableName("public", "gone"),)))
    assert lack.what == "the table public.gone"
    assert lack.grant == ""


def test_policies_that_would_hide_rows_are_found_for_those_whom_they_bind(
    role: Role, target: Target, db: Connection
) -> None:
    db.execute(TABLES)
    db.execute("ALTER TABLE live ENABLE ROW LEVEL SECURITY")
    limited = role(
        "GRANT ALL ON live",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public",
        f"GRANT CREATE ON DATABASE {target.database}",
    )
    needs = Needs("public", creates=False, merges=(LIVE,))
    assert [item.grant for item in missing(limited, needs)] == [f'ALTER ROLE "{limited.user}" BYPASSRLS']
    assert missing(target, needs) == []
    db.execute(f'ALTER TABLE live OWNER TO "{limited.user}"')
    assert missing(limited, needs) == []
    db.execute("ALTER TABLE live FORCE ROW LEVEL SECURITY")
    assert [item.what for item in missing(limited, needs)] == ["BYPASSRLS for public.live"]
    db.execute(f'ALTER ROLE "{limited.user}" BYPASSRLS')
    assert missing(limited, needs) == []


def test_a_right_that_is_missing_is_not_taken_for_a_policy(role: Role, target: Target, db: Connection) -> None:
    db.execute(TABLES)
    limited = role(
        "GRANT INSERT, UPDATE, DELETE ON live", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public",
        f"GRANT CREATE ON DATABASE {target.database}",
    )  # fmt: skip
    assert [item.what for item in missing(limited, Needs("public", creates=False, merges=(LIVE,)))] == [
        "SELECT on public.live"
    ]


@pytest.mark.parametrize(
    "rights",
    [(), ("GRANT USAGE ON SCHEMA migrator", "GRANT SELECT ON ALL TABLES IN SCHEMA migrator")],
    ids=["none", "read"],
)
def test_a_ledger_of_another_role_can_be_shared(role: Role, db: Connection, rights: tuple[str, ...]) -> None:
    install(db)
    limited = role(f"GRANT CREATE ON DATABASE {db.info.dbname}", *rights)
    (lack,) = missing(limited, Needs("public", creates=False))
    assert lack.what == "the schema migrator"
    db.execute(lack.grant)
    assert missing(limited, Needs("public", creates=False)) == []
    with connect(limited) as connection:
        install(connection)
        create_run(connection, "run", "sha", "identity")
        assert take_over(connection, "run").number == 2


@pytest.mark.parametrize("where", ["DATABASE {database}", "ROLE {role}", "ROLE {role} IN DATABASE {database}"])
def test_a_default_of_read_only_is_named_first_and_alone_with_what_ends_it(
    role: Role, db: Connection, where: str
) -> None:
    db.execute(TABLES)
    limited = role()
    place = where.format(database=db.info.dbname, role=limited.user)
    db.execute(f"ALTER {place} SET default_transaction_read_only = on")
    (lack,) = missing(limited, EVERYTHING)
    assert lack.what == "write"
    assert "default_transaction_read_only" in lack.why
    # Whoever runs it may have the same default.
    with connect(replace(limited, user="postgres")) as administrator:
        administrator.execute(lack.grant)
    assert "write" not in [item.what for item in missing(limited, EVERYTHING)]


def test_read_only_by_the_servers_configuration_has_no_statement_that_ends_it(own_server: EmbeddedServer) -> None:
    with connect(own_server.target()) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    own_server.crash()
    own_server.start_again()
    (lack,) = missing(own_server.target(), EVERYTHING)
    assert (lack.what, lack.grant) == ("write", "")
    assert "configuration file" in lack.why


@pytest.mark.parametrize(
    "clash", ["", "CREATE SCHEMA migrator_probe; CREATE TABLE migrator_probe (); CREATE SCHEMA migrator"]
)
def test_asking_changes_nothing(role: Role, target: Target, db: Connection, clash: str) -> None:
    db.execute(TABLES + clash)
    limited = role()
    before = listing(db)
    schemas = db.execute("SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'").fetchone()
    missing(limited, EVERYTHING)
    assert missing(target, EVERYTHING) == []
    assert listing(db) == before
    assert db.execute("SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'").fetchone() == schemas


def test_the_session_can_be_used_after_asking(role: Role, db: Connection) -> None:
    db.execute(TABLES)
    with connect(role()) as connection:
        assert probe(connection, EVERYTHING)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


SOURCE = """
    CREATE TABLE live (id INTEGER PRIMARY KEY, code TEXT);
    INSERT INTO live VALUES (1, 'as it is'), (2, 'changed'), (3, 'new');
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (
        id INTEGER PRIMARY KEY, live INTEGER REFERENCES live, parent INTEGER REFERENCES parent,
        mood TEXT CHECK (mood IN ('sad', 'ok')));
    INSERT INTO parent VALUES (7);
    INSERT INTO child VALUES (1, 3, 7, 'ok'), (2, 1, 7, 'sad');
    CREATE INDEX by_mood ON child (mood);
    CREATE VIEW cheerful AS SELECT id FROM child WHERE mood = 'ok';
"""


def test_with_the_grants_that_are_named_a_whole_run_succeeds_and_can_be_taken_back(
    role: Role, target: Target, db: Connection, tmp_path: Path
) -> None:
    db.execute(
        "CREATE TABLE live (id serial PRIMARY KEY, code text); INSERT INTO live VALUES (1, 'as it is'), (2, 'old');"
        'CREATE SCHEMA "Odd schema"; CREATE TABLE "Odd schema"."pa""rent" (id bigint PRIMARY KEY);'
        'INSERT INTO "Odd schema"."pa""rent" VALUES (7)'
    )
    db.execute(f"REVOKE TEMPORARY ON DATABASE {target.database} FROM PUBLIC")
    before = listing(db)
    limited = role()
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as source:
        source.executescript(SOURCE)
    scope = Scope(
        tables={"parent": TableOverride(target=PARENT, action=Action.SKIP), "live": TableOverride(action=Action.MERGE)}
    )
    enum = Decisions((FindingDecision("CHECK-ENUM", "enum"),))
    request = Request(path, scope, enum, OnConflict.KEEP_SOURCE, accept_recommended=True)

    def run() -> RunOutcome:
        folder = begin(request, limited)
        runner = Runner(folder.run, Migration(request, limited, folder))
        runner.start()
        outcome = runner.wait()
        assert outcome is not None
        return outcome

    given: list[str] = []
    outcome = run()
    while outcome.error is not None and len(given) < 10:
        assert outcome.error.id == "TARGET-PRIVILEGE"
        given.append(outcome.error.hint)
        assert "GRANT" in outcome.error.hint
        assert listing(db) == before
        for statement in re.findall(r"GRANT [^;]+", outcome.error.hint):
            db.execute(statement)
        before = listing(db)
        outcome = run()
    assert (outcome.status, outcome.error) == (RunStatus.SUCCEEDED, None)
    assert db.execute("SELECT id, code FROM live ORDER BY 1").fetchall() == [
        (1, "as it is"), (2, "changed"), (3, "new")
    ]  # fmt: skip
    assert db.execute("SELECT id, live, parent, mood::text FROM child ORDER BY 1").fetchall() == [
        (1, 3, 7, "ok"), (2, 1, 7, "sad")
    ]  # fmt: skip
    assert db.execute("SELECT nextval('live_id_seq')").fetchone() == (4,)
    (child,) = [table for table in inspect(db).tables if table.name.name == "child"]
    assert sorted(str(key.parent) for key in child.foreign_keys) == [str(PARENT), str(LIVE)]
    assert child.column("mood").enum is not None
    undone = Runner(outcome.run, Rollback(limited, RunFolder.open(outcome.run)))
    undone.start()
    taken_back = undone.wait()
    assert taken_back is not None
    assert taken_back.error is None
    assert db.execute("SELECT id, code FROM live ORDER BY 1").fetchall() == [(1, "as it is"), (2, "old")]
    assert db.execute("SELECT to_regclass('public.child')").fetchone() == (None,)
