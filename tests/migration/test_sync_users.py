"""Users in a sync: who is new in the file becomes a user of Auth, who signed up in production comes into the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from migrator_tui.convert.user_ids import user_id
from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.planning.plan_users import namespace
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.migration.report import sentence
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import ProjectScope, UsersScope, Via
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, rows, succeeded
from tests.migration.test_sync import changes, do, in_file, on_target, refused
from tests.supabase.auth_rows import sign_in

SCHEMA = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE, password_hash TEXT NOT NULL);"
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users, body TEXT);"
)
SIGNED_UP = UUID("00000000-0000-4000-8000-00000000000a")
ON_SIGN_UP = """
    CREATE FUNCTION public.on_sign_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $$ BEGIN INSERT INTO public.users (id, email) VALUES (NEW.id, NEW.email); RETURN NEW; END $$;
    CREATE TRIGGER on_sign_up AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.on_sign_up();
"""
"""The customary trigger of Supabase's guides: whoever signs up gets a row."""
ENDS = ("SELECT id, email FROM users ORDER BY id", "SELECT id, author, body FROM posts ORDER BY id")


@pytest.fixture
def owner(project: Project) -> Iterator[Connection]:
    """The project's database, as its owner."""
    with connect(project.target) as connection:
        yield connection


@pytest.fixture
def source(make_source: MakeSource) -> Path:
    """Three users with a post each, of whom the third is gone again."""
    people = "".join(
        f"INSERT INTO users VALUES ({n}, 'P{n}@example.org', '{passwords.HASHES[n]}');"
        f"INSERT INTO posts VALUES ({n}, {n}, 'hello {n}');"
        for n in (1, 2, 3)
    )
    return make_source(SCHEMA + people + "DELETE FROM posts WHERE id = 3; DELETE FROM users WHERE id = 3")


def asked(via: Via) -> Scope:
    users = UsersScope("users", password_hash="password_hash", via=via)
    left = {"users": TableOverride(columns={"password_hash": None})}
    return Scope(tables=left, project=ProjectScope(users=users))


def edit_both(source: Path, owner: Connection) -> None:
    """A user and a post more in the file; somebody signs up on the target, and writes."""
    do(
        source,
        f"INSERT INTO users (email, password_hash) VALUES ('new@example.org', '{passwords.HASHES[4]}');"
        "INSERT INTO posts VALUES (10, 4, 'from the file'); UPDATE users SET email = 'one@example.org' WHERE id = 1",
    )
    on_target(
        owner,
        f"INSERT INTO auth.users (id, email, aud, role) VALUES ('{SIGNED_UP}', 'up@example.org', 'a', 'authenticated')",
        f"INSERT INTO posts (id, author, body) VALUES (20, '{SIGNED_UP}', 'from the target')",
    )


def auth(owner: Connection) -> list[tuple[object, ...]]:
    return rows(owner, "SELECT id, email, encrypted_password FROM auth.users ORDER BY id")


@pytest.mark.parametrize("via", ["api", "sql"])
def test_who_is_new_on_either_end_is_on_both_then_whatever_interrupts_it_and_a_rollback_takes_them_back(
    source: Path, project: Project, owner: Connection, tmp_path: Path, via: Via
) -> None:
    engine = Engine(Api(project.api_url, project.secret_key))
    succeeded(engine.migrate(source, project.target, scope=asked(via)))
    owner.execute(ON_SIGN_UP.encode())
    edit_both(source, owner)
    apart = engine.sync(source, project.target, scope=Scope(include=("posts",)))
    assert "users" in refused(apart, "SYNC-NOT-COVERED").message
    before = [auth(owner), *(in_file(source, q) for q in ENDS), *(rows(owner, q) for q in ENDS)]
    by = namespace(UsersScope("users"), source)

    def together(outcome: RunOutcome) -> None:
        succeeded(outcome)
        ((up,),) = in_file(source, "SELECT id FROM users WHERE email = 'up@example.org'")
        assert in_file(source, f"SELECT password_hash FROM users WHERE id = {up}") == [("!",)]
        assert up > 4  # the file's counter goes on, also past what was taken back
        of = {n: user_id(by, str(n)) for n in (1, 2, 4)} | {up: SIGNED_UP}
        assert in_file(source, ENDS[0]) == [
            (1, "one@example.org"), (2, "P2@example.org"), (4, "new@example.org"), (up, "up@example.org"),
        ]  # fmt: skip
        assert in_file(source, ENDS[1]) == [
            (1, 1, "hello 1"), (2, 2, "hello 2"), (10, 4, "from the file"), (20, up, "from the target"),
        ]  # fmt: skip
        assert sorted(rows(owner, ENDS[0])) == sorted((of[n], email) for n, email in in_file(source, ENDS[0]))
        assert rows(owner, ENDS[1]) == [(id, of[n], body) for id, n, body in in_file(source, ENDS[1])]
        assert {id for id, *_ in auth(owner)} == set(of.values())

    def taken_back(run: str) -> None:
        undone = engine.rollback(run, project.target)
        assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ())
        assert [auth(owner), *(in_file(source, q) for q in ENDS), *(rows(owner, q) for q in ENDS)] == before

    if via == "api":
        # Rows that the target does not take are told with the user whom the project has by then.
        on_target(owner, "ALTER TABLE posts ADD CONSTRAINT brief CHECK (body <> 'from the file')")
        stopped = engine.sync(source, project.target)
        error = refused(stopped, "SYNC-REFUSED")
        told = f"{error.message} {sentence(stopped)}"
        assert "othing" not in told
        assert told.count("the project has 1 user by this run already") == 2
        assert f"rollback {stopped.run}" in error.hint
        on_target(owner, "ALTER TABLE posts DROP CONSTRAINT brief")
        taken_back(stopped.run)
    for at in ("users-made",) if via == "api" else ("users-inserted",):
        run = engine.cut(source, project.target, at, command="sync")
        together(engine.resume(run, project.target))
        taken_back(run)
    done = engine.sync(source, project.target)
    together(done)
    assert done.beside[0].moved == 1
    assert any("1 user changed their address" in note for note in done.notes)
    assert sign_in(project, "new@example.org", passwords.password(4)) == 200
    assert changes(engine.sync(source, project.target)) == 0
    # Whoever pulls gets the ids that the file has.
    again = tmp_path / "pulled.db"
    pull(PullRequest(to=again), project.target)
    assert [in_file(again, q) for q in ENDS] == [in_file(source, q) for q in ENDS]
    # And who signed up later than that sync is the next one.
    later = UUID(int=SIGNED_UP.int + 1)
    on_target(
        owner,
        f"INSERT INTO auth.users (id, email, aud, role) VALUES ('{later}', 'z@example.org', 'a', 'authenticated')",
    )
    ((last,),) = in_file(source, "SELECT max(id) FROM users")
    if via == "api":
        # Whose row was changed since a trigger wrote it, as by a user who signed in meanwhile, is asked about.
        do(source, "INSERT INTO users (email, password_hash) VALUES ('five@example.org', '!')")
        run = engine.cut(source, project.target, "users-made", command="sync")
        on_target(
            owner,
            "UPDATE users SET email = 'signed-in@example.org' WHERE email = 'five@example.org'",
            "CREATE TABLE notes (owner uuid REFERENCES users ON DELETE CASCADE)",
            "INSERT INTO notes SELECT id FROM users WHERE email = 'signed-in@example.org'",
        )
        asked_for = engine.resume(run, project.target)
        message = refused(asked_for, "CONFLICTS", RunStatus.NEEDS_DECISIONS).message
        assert "(same-key)" in message
        assert "the project has 1 user by this run already" in message
        assert len(rows(owner, "SELECT * FROM notes")) == 1
        succeeded(engine.resume(run, project.target, on_conflict=OnConflict.KEEP_TARGET))
        assert in_file(source, f"SELECT email FROM users WHERE id = {last + 1}") == [("signed-in@example.org",)]
        assert len(rows(owner, "SELECT * FROM notes")) == 1
    else:
        # Where the file gave that number to somebody else meanwhile, it is theirs, whoever resumes then.
        def interfere(name: str) -> None:
            if name == "published":
                do(source, f"INSERT INTO users VALUES ({last + 1}, 'late@example.org', '!')")

        stopped = engine.sync(source, project.target, failpoint=interfere)
        refused(stopped, "SYNC-SOURCE-CHANGED", RunStatus.NEEDS_DECISIONS)
        do(source, "UPDATE users SET id = 99 WHERE email = 'late@example.org'")
        refused(engine.resume(stopped.run, project.target), "SYNC-SOURCE-CHANGED", RunStatus.NEEDS_DECISIONS)
        do(source, f"UPDATE users SET id = {last + 1} WHERE email = 'late@example.org'")
    assert changes(engine.sync(source, project.target)) == (1 if via == "sql" else 0)
    assert in_file(source, "SELECT id FROM users WHERE email = 'z@example.org'") == [(last + 2,)]
    assert len(rows(owner, ENDS[0])) == len(in_file(source, ENDS[0]))
