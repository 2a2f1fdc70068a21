"""What is missing is named with the GRANT that gives it; giving that is enough; and asking changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.fingerprint import listing
from migrator_tui.postgres.privileges import Missing, Needs, probe

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
    (lack,) = missing(limited, Needs('new "one"', creates=True))
    assert lack.grant == 'CREATE SCHEMA "new ""one"""'


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


@pytest.mark.parametrize("inside", ["", "CREATE TABLE migrator.run ()"])
def test_a_ledger_of_another_role_is_named(role: Role, db: Connection, inside: str) -> None:
    db.execute(f"CREATE SCHEMA migrator; {inside}")
    limited = role(f"GRANT CREATE ON DATABASE {db.info.dbname}", "GRANT USAGE ON SCHEMA migrator")
    (lack,) = missing(limited, Needs("public", creates=False))
    assert lack.what == "the schema migrator"
    assert lack.grant == f'ALTER SCHEMA migrator OWNER TO "{limited.user}"'


def test_a_read_only_database_is_named_first_and_alone(target: Target, db: Connection) -> None:
    db.execute(f"ALTER DATABASE {db.info.dbname} SET default_transaction_read_only = on")
    (lack,) = missing(target, EVERYTHING)
    assert (lack.what, lack.grant) == (
        "write",
        f'ALTER DATABASE "{db.info.dbname}" RESET default_transaction_read_only',
    )


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
