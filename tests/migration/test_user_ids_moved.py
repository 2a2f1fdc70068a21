"""Ids of users on their way: one UUID through every table, whatever interrupts the run, and the same ids back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
import yaml

from migrator_tui.convert.user_ids import user_id
from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.planning import plan_file
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import ProjectScope, UsersScope
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.auth_sql import insert
from migrator_tui.supabase.auth_users import SourceUser
from tests.migration.comparing_files import contents, statements
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, fingerprint, rows, succeeded, value
from tests.migration.test_verify import verified
from tests.supabase.auth_rows import made_of, sign_in

PEOPLE = 40
SCHEMA = """
    CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, password_hash TEXT,
                        boss INTEGER REFERENCES users ON DELETE SET NULL);
    CREATE TABLE profiles (id INTEGER PRIMARY KEY REFERENCES users ON DELETE CASCADE, bio TEXT);
    CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES profiles, n INTEGER NOT NULL,
                        UNIQUE (author, n));
    CREATE TABLE marks (author INTEGER NOT NULL, n INTEGER NOT NULL, by TEXT NOT NULL REFERENCES users,
                        PRIMARY KEY (author, n, by),
                        FOREIGN KEY (author, n) REFERENCES posts (author, n)) WITHOUT ROWID;
    CREATE TABLE audit (id INTEGER PRIMARY KEY, actor INTEGER, what TEXT);
    CREATE INDEX posts_by_author ON posts (author);
    CREATE VIEW shown AS SELECT p.id, u.email FROM posts p JOIN users u ON u.id = p.author;
"""
KEYS = (
    ("users", ("boss",), "users", ("id",)),
    ("users", ("id",), "auth.users", ("id",)),
    ("profiles", ("id",), "users", ("id",)),
    ("posts", ("author",), "profiles", ("id",)),
    ("marks", ("author", "n"), "posts", ("author", "n")),
    ("marks", ("by",), "users", ("id",)),
    ("audit", ("actor",), "users", ("id",)),
)
USERS = UsersScope("users", password_hash="password_hash", via="sql", references=("audit.actor",), namespace="shop")
SCOPE = Scope(project=ProjectScope(users=USERS))


def filled(connection: sqlite3.Connection) -> None:
    """Users who lead one another, and rows of theirs in four more tables."""
    connection.executescript(SCHEMA)
    people = range(1, PEOPLE + 1)
    connection.executemany(
        "INSERT INTO users VALUES (?, ?, ?, ?)",
        [(n, f"Person{n}@Example.org", passwords.HASHES[n % 20], n // 2 or None) for n in people],
    )
    connection.executemany("INSERT INTO profiles VALUES (?, ?)", [(n, f"I am {n}") for n in people])
    connection.executemany("INSERT INTO posts (author, n) VALUES (?, ?)", [(n % 9 + 1, n) for n in range(100)])
    connection.executemany(
        "INSERT INTO marks VALUES (?, ?, ?)", [(n % 9 + 1, n, str(n % PEOPLE + 1)) for n in range(100)]
    )
    connection.executemany("INSERT INTO audit (actor, what) VALUES (?, 'x')", [(n or None,) for n in range(PEOPLE)])


@pytest.fixture
def source(make_source: MakeSource) -> Path:
    """The file of an application with users."""
    return make_source(filled)


@pytest.fixture
def owner(project: Project) -> Iterator[Connection]:
    """The project's database, as its owner."""
    with connect(project.target) as connection:
        yield connection


def plan_of(run: str) -> Plan:
    return read_plan(RunFolder.open(run))


def orphans(connection: Connection) -> dict[str, int]:
    """Rows that refer to nobody, by foreign key, asked of the rows themselves."""
    found = {}
    for child, columns, parent, others in KEYS:
        pairs = list(zip(columns, others, strict=True))
        missing = value(
            connection,
            f"SELECT count(*) FROM public.{child} c WHERE {' AND '.join(f'c.{ours} IS NOT NULL' for ours, _ in pairs)} "
            f"AND NOT EXISTS (SELECT FROM {parent if '.' in parent else f'public.{parent}'} p "
            f"WHERE {' AND '.join(f'p.{theirs} = c.{ours}' for ours, theirs in pairs)})",
        )
        found[f"{child}.{columns[0]}"] = missing
    return found


def moved(connection: Connection, run: str) -> None:
    """Everything is there under the ids that the namespace gives, and nobody is an orphan."""
    users = plan_of(run).users
    assert users is not None
    of = {n: UUID(users.matched[str(n)]) if str(n) in users.matched else user_id(users.namespace, str(n))
          for n in range(1, PEOPLE + 1)}  # fmt: skip
    assert set(orphans(connection).values()) == {0}
    assert dict(rows(connection, "SELECT email, id FROM public.users")) == {f"Person{n}@Example.org": of[n] for n in of}
    assert dict(rows(connection, "SELECT id, boss FROM public.users")) == {
        of[n]: of[n // 2] if n > 1 else None for n in of
    }
    assert rows(connection, "SELECT author, by FROM public.marks ORDER BY n") == [
        (of[n % 9 + 1], of[n % PEOPLE + 1]) for n in range(100)
    ]
    assert rows(connection, "SELECT actor FROM public.audit ORDER BY id") == [
        (of[n] if n else None,) for n in range(PEOPLE)
    ]
    kept = rows(connection, "SELECT source_key, target_key FROM migrator.key_map WHERE run = %s", run)
    assert {key: UUID(uuid) for key, uuid in kept} == of


def test_one_user_has_one_id_through_five_tables_and_in_auth_and_the_same_file_comes_back(
    source: Path, project: Project, engine: Engine, owner: Connection, tmp_path: Path
) -> None:
    outcome = succeeded(engine.migrate(source, project.target, scope=SCOPE))
    moved(owner, outcome.run)
    assert f"{PEOPLE} users were made; each passes the conditions for signing in." in outcome.beside[0].lines
    assert [sign_in(project, f"person{n}@example.org", passwords.password(n % 20)) for n in (1, 7, PEOPLE)] == [200] * 3
    assert rows(owner, "SELECT count(*) FROM shown") == [(100,)]
    assert value(
        owner,
        "SELECT convalidated FROM pg_constraint WHERE conrelid = 'public.users'::regclass "
        "AND confrelid = 'auth.users'::regclass AND confdeltype = 'c'",
    )
    missing, found = verified(outcome.run, project.target)
    assert missing == []
    assert [(name, c.missing, c.extra) for name, (_, c) in found.items() if c.missing or c.extra] == []
    file = tmp_path / "pulled.db"
    pulled = pull(PullRequest(file), project.target)
    assert contents(file) == contents(source)
    assert statements(file) == statements(source)
    assert pulled.represented == ()


@pytest.mark.parametrize(
    "at", ["staging", "staged", "checked", "publish-moved", "publish-compared", "publish-commit", "published"]
)
def test_a_run_that_was_cut_off_goes_on_with_the_same_ids(
    source: Path, project: Project, engine: Engine, owner: Connection, at: str
) -> None:
    run = engine.cut(source, project.target, at, scope=SCOPE)
    succeeded(engine.resume(run, project.target))
    moved(owner, run)


def test_undoing_leaves_the_target_as_it_was(source: Path, project: Project, engine: Engine) -> None:
    with connect(project.superuser) as everything:
        before = fingerprint(everything)
        outcome = succeeded(engine.migrate(source, project.target, scope=SCOPE))
        assert fingerprint(everything) != before
        undone = engine.rollback(outcome.run, project.target)
        assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ())
        assert fingerprint(everything) == before


def test_a_table_of_users_is_found_and_moved_only_where_that_is_decided(
    source: Path, project: Project, engine: Engine, owner: Connection
) -> None:
    kept = engine.migrate(source, project.target, decisions=decided(FindingDecision("USERS-TABLE", "table")))
    succeeded(kept)
    (finding,) = [finding for finding in kept.findings if finding.id == "USERS-TABLE"]
    assert finding.message == ("users holds the application's users (id id, email email, password hash password_hash).")
    assert value(owner, "SELECT max(id) FROM public.users") == PEOPLE
    engine.rollback(kept.run, project.target)
    asked = engine.migrate(source, project.target, accept_recommended=False)
    assert asked.status is RunStatus.NEEDS_DECISIONS
    moved = succeeded(engine.migrate(source, project.target))
    users = plan_of(moved.run).users
    assert users is not None
    assert (users.scope.table, users.scope.via) == ("users", "sql")
    assert rows(owner, "SELECT count(*) FROM auth.users u JOIN public.users USING (id)") == [(PEOPLE,)]


def test_a_plan_in_a_file_moves_the_same_users_under_the_same_ids(
    source: Path, project: Project, engine: Engine, owner: Connection, tmp_path: Path
) -> None:
    run = succeeded(engine.migrate(source, project.target, scope=SCOPE)).run
    plan = plan_of(run)
    file = tmp_path / "plan.yaml"
    file.write_text(plan_file.render(plan), "utf-8")
    written = yaml.safe_load(file.read_text("utf-8"))["users"]
    assert plan.users is not None
    assert written == {
        "table": "users",
        "columns": {"id": "id", "email": "email", "password_hash": "password_hash"},
        "via": "sql",
        "references": ["audit.actor"],
        "namespace": plan.users.namespace,
        "matched": 0,
    }
    engine.rollback(run, project.target)
    replay = plan_file.read(file)
    again = succeeded(engine.migrate(source, project.target, scope=replay.scope, decisions=replay.decisions))
    assert plan_of(again.run).users == replace_scope(plan)
    moved(owner, again.run)


def replace_scope(plan: Plan) -> Any:
    """The users of a plan as a file fixes them: their namespace said as a UUID."""
    assert plan.users is not None
    return replace(plan.users, scope=replace(plan.users.scope, namespace=plan.users.namespace))


def test_users_who_are_there_keep_their_ids_and_a_second_run_adds_nobody(
    source: Path, project: Project, engine: Engine, owner: Connection, tmp_path: Path
) -> None:
    theirs = UUID(int=77)
    insert(owner, [replace(user, id=theirs) for user in made_of(SourceUser(7, 7, "person7@example.org"))])
    first = succeeded(engine.migrate(source, project.target, scope=SCOPE))
    moved(owner, first.run)
    assert value(owner, "SELECT id FROM public.users WHERE email = 'Person7@Example.org'") == theirs
    before = rows(owner, "SELECT * FROM public.marks ORDER BY n")
    second = succeeded(engine.migrate(source, project.target, scope=SCOPE))
    assert {table.source: table.inserted for table in second.tables if table.inserted} == {}
    assert rows(owner, "SELECT * FROM public.marks ORDER BY n") == before
    file = tmp_path / "pulled.db"
    pull(PullRequest(file), project.target)
    assert contents(file) == contents(source)


def test_who_comes_later_has_the_next_id_in_a_file_that_is_pulled(
    source: Path, project: Project, engine: Engine, owner: Connection, tmp_path: Path
) -> None:
    succeeded(engine.migrate(source, project.target, scope=SCOPE))
    later = UUID(int=5)
    insert(owner, [replace(user, id=later) for user in made_of(SourceUser(99, 99, "late@example.org"))])
    owner.execute("INSERT INTO public.users (id, email) VALUES (%s, 'late@example.org')", (later,))
    owner.execute("INSERT INTO public.audit (id, actor, what) VALUES (1000, %s, 'came')", (later,))
    file = tmp_path / "pulled.db"
    pulled = pull(PullRequest(file), project.target)
    assert any("from 41 on" in note for note in pulled.notes), pulled.notes
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT actor FROM audit WHERE id = 1000").fetchall() == [(PEOPLE + 1,)]
        assert connection.execute("SELECT id FROM users WHERE email LIKE 'late%'").fetchall() == [(PEOPLE + 1,)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_what_takes_ids_for_numbers_is_not_carried_and_told(
    make_source: MakeSource, project: Project, engine: Engine
) -> None:
    source = make_source(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, CHECK (id > 0));"
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users);"
        "CREATE INDEX odd ON posts (author % 2); CREATE VIEW some AS SELECT id FROM posts WHERE author < 10;"
        "INSERT INTO users VALUES (1, 'a@x.de');"
    )
    scope = Scope(project=ProjectScope(users=UsersScope("users", via="sql")))
    outcome = succeeded(engine.migrate(source, project.target, scope=scope))
    told = {finding.id for finding in outcome.findings if finding.id.endswith("-NOT-CARRIED")}
    assert told == {"CHECK-NOT-CARRIED", "INDEX-NOT-CARRIED", "VIEW-NOT-CARRIED"}


def test_two_users_who_would_become_one_are_refused_before_anything_is_staged(
    make_source: MakeSource, project: Project, engine: Engine, owner: Connection
) -> None:
    scope = Scope(project=ProjectScope(users=replace(USERS, references=(), password_hash=None)))
    source = make_source(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);INSERT INTO users VALUES (1, 'a@x.de'), (2, 'A@X.de');"
    )
    namespace = str(uuid5(NAMESPACE_URL, "migrator-tui:shop"))
    insert(owner, [replace(user, id=user_id(namespace, "2")) for user in made_of(SourceUser(9, 9, "a@x.de"))])
    refused = engine.migrate(source, project.target, scope=scope, accept_lossy=True)
    assert refused.error is not None
    assert refused.error.id == "USERS-SAME-ID"
    assert value(owner, "SELECT to_regclass('public.users')") is None
