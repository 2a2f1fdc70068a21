"""Users move with the tables: made once however the run was interrupted, able to sign in, and undone with care."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.demo import passwords
from migrator_tui.demo.project.faults import Fault
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.outcome import Beside, RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import ProjectScope, UsersScope, Via
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.auth_sql import insert
from migrator_tui.supabase.auth_users import SourceUser
from tests.migration.running import Engine, build, decided, succeeded
from tests.supabase.auth_rows import PROFILES, made_of, rows_of, sign_in

SCHEMA = """
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, password_hash TEXT, role TEXT, full_name TEXT,
                        created_at TEXT);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
    INSERT INTO notes VALUES (1, 'hello');
"""
BOTH = pytest.mark.parametrize("via", ["api", "sql"])


def scope_of(via: Via) -> Scope:
    """The users table of these tests, and how its users are made."""
    users = UsersScope(
        "users", password_hash="password_hash", role="role", name="full_name", created="created_at", via=via
    )
    return Scope(project=ProjectScope(users=users))


@dataclass(frozen=True, slots=True)
class Moving:
    """A source with users, and the project that they move to."""

    source: Path
    project: Project
    engine: Engine

    @property
    def target(self) -> Target:
        """The project's database."""
        return self.project.target

    def migrate(self, via: Via, *, schema: str = "public", **asked: Any) -> RunOutcome:
        """A run."""
        scope = replace(scope_of(via), schema=schema)
        return self.engine.migrate(self.source, self.target, scope=scope, **asked)

    def cut(self, via: Via, at: str) -> str:
        """A run whose process ends at a failpoint."""
        return self.engine.cut(self.source, self.target, at, scope=scope_of(via))


@pytest.fixture
def moving(tmp_path: Path, project: Project) -> Callable[..., Moving]:
    """Makes a source of so many users."""

    def make(count: int = 5, *extra: str) -> Moving:
        script = SCHEMA + "".join(
            f"INSERT INTO users VALUES ({n}, 'Person{n}@Example.org', '{passwords.HASHES[n % 20]}', 'member', 'P {n}', "
            "'2024-03-01 10:20:30');"
            for n in range(1, count + 1)
        )
        source = build(tmp_path / "app.db", script + "".join(extra))
        return Moving(source, project, Engine(Api(project.api_url, project.secret_key)))

    return make


@pytest.fixture
def owner(project: Project) -> Iterator[psycopg.Connection[Any]]:
    """The project's database, for looking at it."""
    with connect(project.target) as connection:
        yield connection


def count(owner: psycopg.Connection[Any], table: str) -> int:
    """Rows of a table."""
    return int(rows_of(owner, f"SELECT count(*) FROM {table}")[0][0])


def users_in(outcome: RunOutcome) -> Beside:
    """What the summary says of users."""
    return next(item for item in outcome.beside if item.name == "users")


@BOTH
def test_users_move_with_the_tables_and_sign_in_with_the_passwords_of_the_source(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via
) -> None:
    app = moving(5)
    outcome = succeeded(app.migrate(via))
    beside = users_in(outcome)
    assert (beside.name, beside.total, beside.moved, beside.matched, beside.left) == ("users", 5, 5, 0, 0)
    assert beside.verified
    assert sign_in(app.project, "person3@example.org", passwords.password(3)) == 200
    assert sign_in(app.project, "person3@example.org", passwords.password(4)) == 400
    assert count(owner, "auth.users") == count(owner, "auth.identities") == 5
    kept = rows_of(owner, "SELECT count(*) FROM auth.users WHERE created_at = '2024-03-01 10:20:30+00'")
    assert kept == [(5 if via == "sql" else 0,)]


def test_a_second_run_finds_the_users_of_the_first_and_makes_nobody(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    app = moving(3)
    succeeded(app.migrate("api"))
    owner.execute("CREATE SCHEMA second")
    owner.execute("GRANT USAGE ON SCHEMA second TO authenticated, service_role")
    again = succeeded(app.migrate("api", schema="second"))
    assert (users_in(again).moved, users_in(again).matched) == (0, 3)
    assert app.engine.rollback(again.run, app.target).status is RunStatus.ROLLED_BACK
    assert count(owner, "auth.users") == 3


@BOTH
def test_somebody_who_signed_up_already_is_found_by_their_address_and_stays_when_the_run_is_undone(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via
) -> None:
    (ada,) = made_of(SourceUser(70, 70, "person1@example.org"))
    insert(owner, [ada])
    if via == "sql":
        owner.execute("UPDATE auth.users SET email_confirmed_at = NULL")
    app = moving(3)
    outcome = succeeded(app.migrate(via))
    (finding,) = [finding for finding in outcome.findings if finding.id == "USER-MATCHED"]
    assert (finding.keys, finding.samples) == (("1",), ("person1@example.org",))
    assert ("never confirmed it" in finding.message) == (via == "sql")
    assert (users_in(outcome).moved, users_in(outcome).matched) == (2, 1)
    assert count(owner, "auth.users") == 3
    app.engine.rollback(outcome.run, app.target)
    assert rows_of(owner, "SELECT id FROM auth.users") == [(ada.id,)]


@BOTH
def test_undo_deletes_the_users_that_nobody_touched_and_names_the_others(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via
) -> None:
    app = moving(4)
    run = succeeded(app.migrate(via)).run
    assert sign_in(app.project, "person1@example.org", passwords.password(1)) == 200
    owner.execute("UPDATE auth.users SET raw_user_meta_data = '{}' WHERE email = 'person2@example.org'")
    undone = app.engine.rollback(run, app.target)
    assert undone.status is RunStatus.ROLLED_BACK
    assert rows_of(owner, "SELECT email FROM auth.users ORDER BY 1") == [
        ("person1@example.org",),
        ("person2@example.org",),
    ]
    kept = [line for line in undone.kept_edits if "User" in line]
    assert len(kept) == 2
    assert "person1@example.org) signed in since" in kept[0]
    assert "person2@example.org) was changed since" in kept[1]
    assert rows_of(owner, "SELECT state, count(*)::int FROM migrator.auth_user GROUP BY 1 ORDER BY 1") == [
        ("made", 2),
        ("undone", 2),
    ]


@BOTH
def test_what_a_trigger_wrote_is_shown_before_counted_after_and_undone_where_nobody_changed_it(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via
) -> None:
    owner.execute(PROFILES.encode())
    app = moving(3)
    outcome = succeeded(app.migrate(via))
    (trigger,) = [finding for finding in outcome.findings if finding.id == "USER-TRIGGER"]
    assert trigger.object == "on_auth_user_created"
    assert "INSERT INTO public.profiles" in trigger.samples[1]
    assert users_in(outcome).details["triggered"] == {"public.profiles": 3}
    assert any("3 rows into public.profiles" in line for line in users_in(outcome).lines)
    owner.execute("UPDATE public.profiles SET name = 'Mine' WHERE name = 'P 2'")
    undone = app.engine.rollback(outcome.run, app.target)
    assert rows_of(owner, "SELECT p.name, u.email FROM public.profiles p JOIN auth.users u USING (id)") == [
        ("Mine", "person2@example.org")
    ]
    assert count(owner, "auth.users") == 1
    assert any("their row in public.profiles was changed" in line for line in undone.kept_edits)


@BOTH
def test_a_failing_trigger_ends_the_run_with_its_name_and_nothing_is_visible_or_left_after_undo(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via
) -> None:
    owner.execute(PROFILES.replace("name text", "name text CHECK (name <> 'P 3')").encode())
    app = moving(30)
    outcome = app.migrate(via)
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "AUTH-DATABASE"
    assert "on_auth_user_created (handle_new_user)" in outcome.error.hint
    assert rows_of(owner, "SELECT to_regclass('public.notes')") == [(None,)]
    assert app.engine.rollback(outcome.run, app.target).status is RunStatus.ROLLED_BACK
    assert count(owner, "auth.users") == count(owner, "public.profiles") == 0


@pytest.mark.parametrize(
    ("via", "at"),
    [
        ("api", "users-intended"),
        ("api", "publish-commit"),
        ("sql", "users-inserted"),
        ("sql", "published"),
    ],
)
def test_a_run_that_was_cut_goes_on_and_makes_nobody_twice(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via, at: str
) -> None:
    app = moving(25)
    run = app.cut(via, at)
    outcome = succeeded(app.engine.resume(run, app.target))
    assert users_in(outcome).moved == 25
    assert count(owner, "auth.users") == count(owner, "auth.identities") == 25
    assert count(owner, "public.notes") == 1
    app.engine.rollback(run, app.target)
    assert count(owner, "auth.users") == 0


def test_a_process_that_ends_between_a_user_and_its_note_finds_that_user_when_it_goes_on(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    app = moving(25)
    run = app.cut("api", "user-made")
    assert 0 < count(owner, "auth.users") < 25
    outcome = succeeded(app.engine.resume(run, app.target))
    assert users_in(outcome).moved == count(owner, "auth.users") == 25
    assert rows_of(owner, "SELECT DISTINCT state FROM migrator.auth_user") == [("made",)]


def test_a_run_that_was_cut_amid_the_users_is_undone_with_those_it_had_made(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    owner.execute(PROFILES.encode())
    app = moving(25)
    run = app.cut("api", "user-made")
    assert count(owner, "public.profiles") > 0
    assert app.engine.rollback(run, app.target).status is RunStatus.ROLLED_BACK
    assert count(owner, "auth.users") == 0


def test_users_with_hashes_that_auth_does_not_take_are_listed_for_a_reset_in_a_private_file(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    app = moving(
        1,
        "INSERT INTO users VALUES (2, 'b@x.de', 'pbkdf2_sha256$1$a$b', NULL, NULL, NULL);",
        "INSERT INTO users VALUES (3, 'c@x.de', NULL, NULL, NULL, NULL);",
    )
    outcome = succeeded(app.migrate("api"))
    assert [finding.rows for finding in outcome.findings if finding.id == "USER-RESET"] == [2]
    path = RunFolder.open(outcome.run).file("users-to-reset.csv")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = list(csv.DictReader(path.open()))
    assert [(row["source_id"], row["email"], row["hash"]) for row in rows] == [
        ("2", "b@x.de", "django-pbkdf2"),
        ("3", "c@x.de", "none"),
    ]
    assert any(str(path) in line for line in users_in(outcome).lines)
    assert not app.project.faults.seen("/auth/v1/(recover|invite|otp|magiclink)")


TROUBLE = (
    "INSERT INTO users VALUES (2, 'PERSON1@example.org', NULL, NULL, NULL, NULL);"
    "INSERT INTO users VALUES (3, 'nowhere', NULL, NULL, NULL, NULL);"
    "INSERT INTO users VALUES (4, NULL, NULL, NULL, NULL, NULL);"
)
KINDS = ("USER-SAME-ADDRESS", "USER-REFUSED", "USER-NO-ADDRESS")


def test_rows_that_can_be_no_user_wait_for_a_decision(moving: Callable[..., Moving]) -> None:
    outcome = moving(1, TROUBLE).migrate("api")
    assert outcome.status is RunStatus.NEEDS_DECISIONS
    assert {finding.id for finding in outcome.findings if finding.needs_decision} == set(KINDS)


@pytest.mark.parametrize(("choice", "rows"), [("leave", 4), ("quarantine", 1)])
def test_rows_that_can_be_no_user_are_moved_or_stay_behind_as_decided(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], choice: str, rows: int
) -> None:
    app = moving(1, TROUBLE)
    decisions = decided(*(FindingDecision(kind, choice) for kind in KINDS))
    outcome = succeeded(app.migrate("sql", decisions=decisions))
    assert count(owner, "auth.users") == 1
    assert count(owner, "public.users") == rows
    assert users_in(outcome).left == (3 if choice == "leave" else 0)
    if choice == "leave":
        listed = list(csv.DictReader(RunFolder.open(outcome.run).file("users-left.csv").open()))
        assert [row["source_id"] for row in listed] == ["2", "3", "4"]


def test_an_address_that_was_taken_since_the_plan_stops_the_run_before_anything_is_published(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    app = moving(3)

    def sign_up(name: str) -> None:
        if name == "checked":
            owner.execute("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'person2@example.org')")

    outcome = app.migrate("sql", failpoint=sign_up)
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "AUTH-TAKEN"
    assert "person2@example.org" in outcome.error.message
    assert rows_of(owner, "SELECT to_regclass('public.notes')") == [(None,)]


def test_an_api_that_goes_away_leaves_a_run_that_can_be_resumed(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator_tui.supabase.auth_admin.PATIENCE", 0.0)
    app = moving(25)
    app.project.faults.add(
        Fault("/auth/v1/admin/users", "POST", skip=10, times=1_000, status=503, body={"message": "down"})
    )
    outcome = app.migrate("api")
    assert outcome.status is RunStatus.INTERRUPTED
    assert count(owner, "auth.users") == 10
    app.project.faults.clear()
    assert users_in(succeeded(app.engine.resume(outcome.run, app.target))).moved == 25


def test_without_the_apis_key_the_run_stops_before_anything_is_made_and_says_what_to_set(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    app = moving(1)
    outcome = Engine().migrate(app.source, app.target, scope=scope_of("api"))
    assert outcome.error is not None
    assert outcome.error.id == "AUTH-NO-API"
    assert "SUPABASE_SECRET_KEY" in outcome.error.hint
    assert count(owner, "auth.users") == 0


@pytest.mark.parametrize(
    ("users", "id"),
    [
        (UsersScope("people"), "USERS-TABLE"),
        (UsersScope("users", email="mail"), "USERS-COLUMN"),
        (UsersScope("users", email=None), "USERS-ADDRESS"),
    ],
)
def test_a_mapping_that_does_not_fit_the_source_is_refused_with_what_there_is(
    moving: Callable[..., Moving], users: UsersScope, id: str
) -> None:
    app = moving(1)
    outcome = app.engine.migrate(app.source, app.target, scope=Scope(project=ProjectScope(users=users)))
    assert outcome.error is not None
    assert outcome.error.id == id


def test_on_a_plain_postgres_users_stay_a_table_which_is_told(moving: Callable[..., Moving]) -> None:
    app = moving(1)
    with connect(app.project.superuser) as connection:
        connection.execute("DROP SCHEMA auth CASCADE")
    outcome = succeeded(app.migrate("sql"))
    assert [finding.table for finding in outcome.findings if finding.id == "USERS-NO-PROJECT"] == ["users"]
    assert outcome.beside == ()
    with connect(app.target) as connection:
        assert rows_of(connection, "SELECT id FROM public.users") == [(1,)]


def test_a_number_that_auth_refuses_or_that_is_another_users_is_left_out_and_told(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    insert(owner, made_of(SourceUser(70, 70, "other@x.de", "+4915112345")))
    numbers = "ALTER TABLE users ADD COLUMN phone TEXT; UPDATE users SET phone = '+49 15112345' WHERE id = 1;"
    app = moving(3, numbers, "UPDATE users SET phone = '0151/1' WHERE id = 2;")
    users = replace(scope_of("sql").project.users or UsersScope("users"), phone="phone")
    outcome = succeeded(app.engine.migrate(app.source, app.target, scope=Scope(project=ProjectScope(users=users))))
    assert [finding.keys for finding in outcome.findings if finding.id == "USER-PART"] == [("1", "2")]
    assert count(owner, "auth.users") == 4
    assert rows_of(owner, "SELECT phone, count(*)::int FROM auth.users GROUP BY 1 ORDER BY 1") == [
        ("4915112345", 1),
        (None, 3),
    ]


@BOTH
def test_roles_go_to_tables_with_a_token_hook_by_choice_and_are_taken_back_with_the_run(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any], via: Via
) -> None:
    app = moving(2, "UPDATE users SET role = 'admin' WHERE id = 2;")
    users = replace(scope_of(via).project.users or UsersScope("users"), roles="table")
    scope = Scope(project=ProjectScope(users=users))
    outcome = succeeded(app.engine.migrate(app.source, app.target, scope=scope))
    assert any("custom_access_token_hook" in line for line in users_in(outcome).lines)
    given = "SELECT u.email, r.role::text FROM auth.users u JOIN public.user_roles r ON r.user_id = u.id ORDER BY 1"
    assert rows_of(owner, given) == [("person1@example.org", "member"), ("person2@example.org", "admin")]
    assert rows_of(owner, "SELECT count(*) FROM auth.users WHERE raw_app_meta_data ? 'role'") == [(0,)]
    with connect(app.project.superuser) as auth:
        auth.execute("SET row_security = on")
        auth.execute("SET ROLE supabase_auth_admin")
        claims = rows_of(
            auth,
            "SELECT public.custom_access_token_hook(jsonb_build_object('user_id', id, 'claims', '{\"aud\": \"x\"}'"
            "::jsonb)) -> 'claims' FROM auth.users ORDER BY email",
        )
    assert claims == [({"aud": "x", "user_role": "member"},), ({"aud": "x", "user_role": "admin"},)]
    undone = app.engine.rollback(outcome.run, app.target)
    assert undone.status is RunStatus.ROLLED_BACK
    assert rows_of(owner, "SELECT to_regclass('public.user_roles'), to_regtype('public.app_role')") == [(None, None)]
    assert count(owner, "auth.users") == 0


def test_tables_of_roles_that_somebody_changed_are_kept_and_named_and_do_not_keep_the_users(
    moving: Callable[..., Moving], owner: psycopg.Connection[Any]
) -> None:
    app = moving(2)
    users = replace(scope_of("sql").project.users or UsersScope("users"), roles="table")
    scope = Scope(project=ProjectScope(users=users))
    run = succeeded(app.engine.migrate(app.source, app.target, scope=scope)).run
    owner.execute("INSERT INTO public.role_permissions VALUES ('member', 'posts.write')")
    undone = app.engine.rollback(run, app.target)
    assert any("tables of roles are kept" in line for line in undone.kept_edits)
    assert count(owner, "public.role_permissions") == 1
    assert count(owner, "auth.users") == 0
    refused = app.engine.migrate(app.source, app.target, scope=scope)
    assert refused.error is not None
    assert refused.error.id == "ROLES-THERE"
