"""NOCASE folds the letters A to Z in SQLite; each way to say so in Postgres keeps what was unique unique."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.findings import Finding
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, rows, succeeded, value

SOURCE = """
    CREATE TABLE person (
        id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE NOT NULL UNIQUE, city TEXT COLLATE RTRIM, note TEXT
    );
    INSERT INTO person VALUES (1, 'Ann@x.org', 'a', 'n'), (2, 'bob@x.org', 'b  ', 'm');
    CREATE UNIQUE INDEX by_city ON person (city, note COLLATE NOCASE DESC);
    CREATE TABLE code (code TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO code VALUES ('Ab'), ('É'), ('ö');
    CREATE TABLE login (id INTEGER PRIMARY KEY, email TEXT REFERENCES person (email));
    INSERT INTO login VALUES (1, 'ANN@X.ORG'), (2, 'bob@x.org'), (3, NULL);
"""


OWN = "FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"


def collations(outcome: RunOutcome) -> dict[str, Finding]:
    return {f"{f.table}.{f.column}": f for f in outcome.findings if f.id == "COLLATION-NOT-CARRIED"}


@pytest.fixture
def citext(db: Connection) -> None:
    """The extension on the target; skips where the server does not bring it."""
    try:
        db.execute("CREATE EXTENSION citext")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no citext")


def test_what_ignored_case_stays_unique_without_regard_to_case(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), target))

    said = collations(outcome)
    assert {name: finding.decision for name, finding in said.items()} == {
        "person.email": "folded", "person.city": "folded", "code.code": "folded"
    }  # fmt: skip
    assert rows(db, "SELECT id, email, city FROM person ORDER BY 1") == [
        (1, "Ann@x.org", "a"), (2, "bob@x.org", "b  ")
    ]  # fmt: skip
    for refused in (
        "INSERT INTO person (email) VALUES ('ANN@X.org')",
        "INSERT INTO person (email, city, note) VALUES ('c@x.org', 'a   ', 'N')",
        "INSERT INTO code VALUES ('aB')",
    ):
        with pytest.raises(errors.UniqueViolation):
            rows(db, refused + " RETURNING 1")
    assert value(db, "INSERT INTO code VALUES ('é') RETURNING 1") == 1  # distinct for SQLite too


def test_a_reference_in_another_spelling_is_found_before_the_foreign_key_is_made(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), target))

    (finding,) = [f for f in outcome.findings if f.id == "FK-SPELLING"]
    assert (finding.rows, finding.keys, finding.decision) == (1, ("id=1",), "not-valid")
    assert value(db, "SELECT count(*) FROM login") == 3
    assert rows(
        db,
        f"SELECT confrelid::regclass::text, convalidated {OWN}",
    ) == [("person", False)]


def test_a_reference_in_another_spelling_can_be_quarantined(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    decisions = decided(FindingDecision("FK-SPELLING", "quarantine"))

    succeeded(engine.migrate(make_source(SOURCE), target, decisions=decisions))

    assert rows(db, "SELECT id FROM login ORDER BY 1") == [(2,), (3,)]
    assert value(db, f"SELECT convalidated {OWN}") is True


@pytest.mark.usefixtures("citext")
def test_citext_compares_by_itself_and_takes_what_refers_to_it_along(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    decisions = decided(FindingDecision("COLLATION-NOT-CARRIED", "citext"))

    outcome = succeeded(engine.migrate(make_source(SOURCE), target, decisions=decisions))

    assert value(db, "SELECT id FROM person WHERE email = 'ANN@x.ORG'") == 1
    assert value(db, "SELECT email::text FROM person WHERE id = 1") == "Ann@x.org"
    assert [f.id for f in outcome.findings if f.id == "FK-SPELLING"] == []
    assert value(db, f"SELECT convalidated {OWN}") is True
    with pytest.raises(errors.UniqueViolation):
        rows(db, "INSERT INTO person (email) VALUES ('ANN@X.org') RETURNING 1")


@pytest.mark.usefixtures("citext")
def test_citext_is_not_offered_where_two_keys_would_clash(
    engine: Engine, make_source: MakeSource, target: Target
) -> None:
    source = make_source(
        "CREATE TABLE word (w TEXT COLLATE NOCASE UNIQUE); INSERT INTO word VALUES ('É'), ('é'), ('e'), (NULL);"
    )

    finding = collations(succeeded(engine.migrate(source, target)))["word.w"]

    assert (finding.choices, finding.rows) == (("folded", "exact"), 2)
    assert "2 rows would clash" in finding.message


def test_exact_leaves_the_column_as_it_is(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    decisions = decided(FindingDecision("COLLATION-NOT-CARRIED", "exact"))

    succeeded(engine.migrate(make_source(SOURCE), target, decisions=decisions))

    assert value(db, "INSERT INTO person (email) VALUES ('ANN@X.org') RETURNING 1") == 1
    assert '(city, lower((note COLLATE "C")) DESC)' in value(
        db, "SELECT indexdef FROM pg_indexes WHERE indexname = 'by_city'"
    )


def test_a_unique_index_that_is_folded_can_still_be_referred_to(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE p (id INTEGER PRIMARY KEY, k TEXT COLLATE NOCASE);
        CREATE UNIQUE INDEX pk ON p (k);
        CREATE TABLE c (id INTEGER PRIMARY KEY, k TEXT REFERENCES p (k));
        INSERT INTO p VALUES (1, 'A'); INSERT INTO c VALUES (1, 'A');
        """
    )

    succeeded(engine.migrate(source, target))

    assert (
        value(
            db,
            f"SELECT confrelid::regclass::text {OWN}",
        )
        == "p"
    )
    with pytest.raises(errors.UniqueViolation):
        rows(db, "INSERT INTO p VALUES (2, 'a') RETURNING 1")
