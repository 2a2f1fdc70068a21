"""Who may reach which table, planned, set, tried and taken back in whole runs against a project."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from migrator_tui.demo.project.layout import lay_out
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.planning.plan_exposure import Planned, with_exposure
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import (
    ExposureScope,
    FilesScope,
    ProjectPlan,
    ProjectScope,
    TableExposure,
    UsersPlan,
    UsersScope,
)
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.exposure import VERBS
from migrator_tui.supabase.object_policies import policies_there
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, decided, fingerprint, leftovers, rows, session, succeeded, value

ANN, BEN = str(uuid.UUID(int=11)), str(uuid.UUID(int=12))
SOURCE = f"""
CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, password_hash TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT REFERENCES users, reader TEXT REFERENCES users,
                    body TEXT, api_token TEXT, kept TEXT);
CREATE TABLE sections (id INTEGER PRIMARY KEY, title TEXT);
CREATE VIEW bodies AS SELECT id, body FROM notes;
INSERT INTO users VALUES ('{ANN}', 'Ann', 'x'), ('{BEN}', 'Ben', 'y');
INSERT INTO notes VALUES (1, '{ANN}', '{BEN}', 'hello', 't1', '$2b$12${"a" * 53}');
INSERT INTO notes VALUES (2, '{BEN}', NULL, 'hi', 't2', NULL);
INSERT INTO sections VALUES (1, 'one');
"""


@pytest.fixture
def project_target(target: Target) -> Target:
    """The fresh database as a project's, as its owner."""
    return lay_out(target)


def asking(exposure: Mapping[str, ExposureScope]) -> Scope:
    """The scope of a configuration that says who may reach what."""
    return Scope(project=ProjectScope(exposure=exposure))


def exposed(outcome: RunOutcome) -> dict[str, TableExposure]:
    """What was planned, by table."""
    project = read_plan(RunFolder.open(outcome.run)).project
    assert project is not None
    return {exposure.table.name: exposure for exposure in project.exposure}


CONFIGURED = {"notes": ExposureScope(owner="author"), "sections": ExposureScope(read="all")}


def test_a_run_exposes_what_the_configuration_says_and_closes_the_rest(
    make_source: MakeSource, project_target: Target, engine: Engine
) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), project_target, scope=asking(CONFIGURED)))
    planned = exposed(outcome)
    assert {name: e.policy for name, e in planned.items()} == {
        "users": "none",
        "notes": "owner",
        "sections": "read-all",
    }
    assert planned["notes"].hidden == ("api_token", "kept")
    with session(project_target) as connection:
        assert rows(connection, "SELECT DISTINCT relrowsecurity FROM pg_class WHERE relname IN ('users', 'notes')") == [
            (True,)
        ]
        as_user = (
            f"SET LOCAL ROLE authenticated; SELECT set_config('request.jwt.claims', '{{\"sub\": \"{ANN}\"}}', true)"
        )
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL row_security = on")
            connection.execute(as_user.encode())
            assert rows(connection, "SELECT id, body FROM notes") == [(1, "hello")]
            assert rows(connection, "SELECT body FROM bodies") == [("hello",)]
            assert rows(connection, "SELECT title FROM sections") == [("one",)]
        index = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%notes%(author)%'"
        assert value(connection, index) == 1
    (beside,) = [item for item in outcome.beside if item.name == "exposure"]
    assert (beside.total, beside.moved, beside.left, beside.verified) == (3, 2, 1, True)
    assert any("notes" in line and "author" in line for line in beside.lines)
    tried = {(t["table"], t["who"], t["verb"]): t["may"] for t in beside.details["access"]}
    assert tried["public.notes", "anon", "SELECT"] is False
    assert tried["public.notes", "a user", "UPDATE"] is True
    assert tried["public.notes", "another user", "DELETE"] is False
    assert not [a for a in beside.details["advice"] if a["level"] == "error"]


FILES = FilesScope("notes", "body", "docs", owner="author", access="owner")


@pytest.fixture
def with_files(make_source: MakeSource, project: Project, tmp_path: Path) -> tuple[Path, Engine, Scope]:
    """Notes that name a file each, of two users, whom the configuration lets at their own."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    for name in ("hello", "hi"):
        (folder / name).write_text(f"file {name}")
    scope = Scope(project=ProjectScope(project.api_url, folder, files=(FILES,), exposure=CONFIGURED))
    return make_source(SOURCE), Engine(Api(project.api_url, project.secret_key)), scope


def test_users_open_the_files_that_are_theirs_by_policies_that_are_taken_back_with_the_run(
    with_files: tuple[Path, Engine, Scope], project: Project
) -> None:
    source, engine, scope = with_files
    with session(project.target) as connection:
        connection.execute("CREATE POLICY theirs ON storage.objects FOR SELECT USING (bucket_id = 'other')")
        before = policies_there(connection)
    outcome = succeeded(engine.migrate(source, project.target, scope=scope))
    (beside,) = [item for item in outcome.beside if item.name == "exposure"]
    tried = {(t["who"], t["verb"]): t["may"] for t in beside.details["access"] if t["table"].startswith("storage")}
    assert {verb: tried["a user", verb] for verb in VERBS} == dict.fromkeys(VERBS, True)
    assert [tried["another user", verb] for verb in ("SELECT", "UPDATE", "DELETE")] == [False] * 3
    assert not any(tried["anon", verb] for verb in VERBS)
    for user, names in ((ANN, {"hello": 200, "hi": 400}), (BEN, {"hello": 400, "hi": 200})):
        token = project.keys.sign({"sub": user, "role": "authenticated", "aud": "authenticated"})
        headers = {"apikey": project.publishable_key, "Authorization": f"Bearer {token}"}
        for name, status in names.items():
            url = f"{project.api_url}/storage/v1/object/authenticated/docs/{name}"
            assert httpx.get(url, headers=headers).status_code == status
    assert any("owner_select" in line for line in read_plan(RunFolder.open(outcome.run)).ddl)
    undone = engine.rollback(outcome.run, project.target)
    assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ())
    with session(project.target) as connection:
        assert policies_there(connection) == before


def test_a_policy_that_opens_a_private_bucket_to_others_ends_the_run_as_not_verified(
    with_files: tuple[Path, Engine, Scope], project: Project
) -> None:
    source, engine, scope = with_files
    with session(project.target) as connection:
        connection.execute("CREATE POLICY wrong ON storage.objects FOR SELECT TO authenticated USING (true)")
    outcome = engine.migrate(source, project.target, scope=scope)
    assert outcome.status is RunStatus.VERIFICATION_FAILED
    assert outcome.error is not None
    assert outcome.error.id == "VERIFY-ACCESS"
    assert "storage.objects of docs: another user may select" in outcome.error.message
    nobodys = replace(scope.project, files=(replace(FILES, table="sections", column="title", owner=None),))
    refused = engine.migrate(source, project.target, scope=replace(scope, project=nobodys))
    assert refused.error is not None
    assert refused.error.id == "FILES-OWNER"


def test_a_rollback_leaves_nothing_of_the_exposure(
    make_source: MakeSource, target: Target, project_target: Target, engine: Engine
) -> None:
    with session(target) as superuser:
        before = fingerprint(superuser)
        outcome = succeeded(engine.migrate(make_source(SOURCE), project_target, scope=asking(CONFIGURED)))
        undone = engine.rollback(outcome.run, project_target)
        assert undone.status is RunStatus.ROLLED_BACK
        assert undone.kept_edits == ()
        assert fingerprint(superuser) == before
        assert leftovers(superuser) == set()


def test_a_policy_that_somebody_added_since_keeps_the_table(
    make_source: MakeSource, project_target: Target, engine: Engine
) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), project_target, scope=asking(CONFIGURED)))
    with session(project_target) as connection:
        connection.execute("CREATE POLICY theirs ON sections FOR SELECT TO anon USING (true)")
    undone = engine.rollback(outcome.run, project_target)
    assert any("sections" in line and "altered" in line for line in undone.kept_edits)


def test_an_existing_table_gets_its_rights_and_policies_back(
    make_source: MakeSource, target: Target, project_target: Target, engine: Engine
) -> None:
    with session(project_target) as connection, session(target) as superuser:
        connection.execute("CREATE TABLE sections (id bigint PRIMARY KEY, title text)")
        connection.execute("GRANT SELECT ON sections TO anon")
        connection.execute("CREATE POLICY old ON sections FOR SELECT TO anon USING (true)")
        before = fingerprint(superuser)
        asked = asking({"sections": ExposureScope(read="all")})
        outcome = engine.migrate(make_source(SOURCE), project_target, scope=asked)
        assert ("EXPOSURE-EXISTING", "set") in {(f.id, f.decision) for f in outcome.findings}
        # Its own policy lets anon read it, which the plan does not mean.
        assert outcome.status is RunStatus.VERIFICATION_FAILED, outcome.error
        assert outcome.error is not None
        assert outcome.error.id == "VERIFY-ACCESS"
        assert "public.sections: anon may select" in outcome.error.message
        assert value(connection, "SELECT relrowsecurity FROM pg_class WHERE relname = 'sections'") is True
        assert value(connection, "SELECT has_table_privilege('authenticated', 'sections', 'SELECT')") is True
        undone = engine.rollback(outcome.run, project_target)
        assert undone.status is RunStatus.ROLLED_BACK, undone.error
        assert fingerprint(superuser) == before


def test_an_existing_table_that_nobody_asks_about_is_left_alone(
    make_source: MakeSource, project_target: Target, engine: Engine
) -> None:
    with session(project_target) as connection:
        connection.execute("CREATE TABLE sections (id bigint PRIMARY KEY, title text)")
        outcome = succeeded(engine.migrate(make_source(SOURCE), project_target))
        assert "sections" not in exposed(outcome)
        assert value(connection, "SELECT relrowsecurity FROM pg_class WHERE relname = 'sections'") is False


def test_a_sensitive_column_is_left_behind_where_that_was_decided(
    make_source: MakeSource, project_target: Target, engine: Engine
) -> None:
    decisions = decided(FindingDecision("EXPOSURE-SENSITIVE", "leave", "notes", "api_token"))
    outcome = succeeded(
        engine.migrate(make_source(SOURCE), project_target, scope=asking(CONFIGURED), decisions=decisions)
    )
    with session(project_target) as connection:
        assert value(connection, "SELECT count(*) FROM pg_attribute WHERE attname = 'api_token'") == 0
    assert not [note for note in outcome.notes if "matched nothing" in note]
    assert ("EXPOSURE-SENSITIVE", "leave") in {(f.id, f.decision) for f in outcome.findings}


def test_a_plain_server_is_migrated_to_as_ever(make_source: MakeSource, target: Target, engine: Engine) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), target, scope=asking(CONFIGURED)))
    assert [f.id for f in outcome.findings if f.id.startswith("EXPOSURE")] == ["EXPOSURE-NO-PROJECT"]
    assert not outcome.beside
    with session(target) as connection:
        assert value(connection, "SELECT bool_or(relrowsecurity) FROM pg_class WHERE relname IN ('notes')") is False


@pytest.mark.parametrize(
    ("exposure", "id"),
    [
        ({"nowhere": ExposureScope()}, "EXPOSURE-TABLE-UNKNOWN"),
        ({"notes": ExposureScope(owner="nobody")}, "EXPOSURE-OWNER"),
        ({"notes": ExposureScope(owner="id")}, "EXPOSURE-OWNER"),
    ],
)
def test_a_configuration_that_names_what_is_not_there_is_refused(
    make_source: MakeSource, project_target: Target, engine: Engine, exposure: Mapping[str, ExposureScope], id: str
) -> None:
    outcome = engine.migrate(make_source(SOURCE), project_target, scope=asking(exposure))
    assert outcome.error is not None
    assert outcome.error.id == id


@pytest.fixture
def drafted(make_source: MakeSource, project_target: Target, engine: Engine) -> Plan:
    """The plan of the source's tables, with its users planned and nothing exposed yet."""
    outcome = succeeded(engine.migrate(make_source(SOURCE), project_target))
    plan = read_plan(RunFolder.open(outcome.run))
    users = UsersPlan(UsersScope("users"), "ns")
    kept = tuple(f for f in plan.findings if not f.id.startswith("EXPOSURE"))
    return replace(plan, findings=kept, project=ProjectPlan(users=users))


def planned(plan: Plan, *decisions: FindingDecision) -> Planned:
    """The exposure that is planned for it."""
    return with_exposure(plan, Scope(), Chooser(decided(*decisions)), is_project=True)


def test_rows_that_refer_to_users_are_guessed_to_be_theirs_and_wait_for_a_decision(drafted: Plan) -> None:
    made = planned(drafted).plan
    found = {(f.id, f.table): f for f in made.findings if f.id in ("EXPOSURE-OWNER", "EXPOSURE-NONE")}
    assert {key: f.choices[0] for key, f in found.items()} == {
        ("EXPOSURE-OWNER", "notes"): "owner",
        ("EXPOSURE-OWNER", "users"): "owner-read",
        ("EXPOSURE-NONE", "sections"): "none",
    }
    assert found["EXPOSURE-OWNER", "notes"].needs_decision
    assert found["EXPOSURE-NONE", "sections"].decision == "none"
    assert "reader" in found["EXPOSURE-OWNER", "notes"].message
    assert made.project is not None
    owners = {e.table.name: (e.policy, e.owner) for e in made.project.exposure}
    assert owners["notes"] == ("owner", "author")
    assert owners["users"] == ("owner-read", "id")
    assert [f.column for f in made.findings if f.id == "EXPOSURE-SENSITIVE" and f.table == "users"] == ["password_hash"]


def test_another_choice_is_taken(drafted: Plan) -> None:
    made = planned(drafted, FindingDecision("EXPOSURE-OWNER", "none", "notes")).plan
    assert made.project is not None
    (notes,) = [e for e in made.project.exposure if e.table == TableName("public", "notes")]
    assert (notes.policy, notes.owner) == ("none", None)


def test_the_plans_ddl_shows_the_exposure(make_source: MakeSource, project_target: Target, engine: Engine) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), project_target, scope=asking(CONFIGURED)))
    ddl = "\n".join(read_plan(RunFolder.open(outcome.run)).ddl)
    assert 'ALTER TABLE "public"."notes" ENABLE ROW LEVEL SECURITY' in ddl
    assert '(SELECT auth.uid()::text) = "author"' in ddl
    assert "security_invoker" in ddl


def test_a_crash_before_the_commit_leaves_no_right_behind(
    make_source: MakeSource, project_target: Target, engine: Engine, tmp_path: Path
) -> None:
    run = engine.cut(make_source(SOURCE), project_target, "publish-commit", scope=asking(CONFIGURED))
    with connect(project_target) as connection:
        assert value(connection, "SELECT to_regclass('public.notes')") is None
    outcome = succeeded(engine.resume(run, project_target))
    assert [item.name for item in outcome.beside] == ["exposure"]


APPLICATION = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, password_hash TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, body TEXT);
INSERT INTO users VALUES (1, 'ann@example.org', NULL), (2, 'ben@example.org', NULL);
INSERT INTO notes VALUES (1, 1, 'of Ann'), (2, 2, 'of Ben'), (3, 1, 'of Ann too');
"""


def test_users_of_the_source_reach_their_own_rows_as_users_of_the_project(
    make_source: MakeSource, target: Target, project: Project
) -> None:
    engine = Engine(Api(project.api_url, project.secret_key))
    scope = Scope(project=ProjectScope(users=UsersScope("users", password_hash="password_hash", via="sql")))
    with session(target) as superuser:
        before = fingerprint(superuser)
        outcome = succeeded(engine.migrate(make_source(APPLICATION), project.target, scope=scope, accept_lossy=True))
        planned = exposed(outcome)
        assert (planned["notes"].policy, planned["notes"].owner) == ("owner", "user_id")
        assert (planned["users"].policy, planned["users"].hidden) == ("owner-read", ("password_hash",))
        with session(project.target) as connection:
            ann = value(connection, "SELECT id FROM auth.users WHERE email = 'ann@example.org'")
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL row_security = on; SET LOCAL ROLE authenticated")
                connection.execute("SELECT set_config('request.jwt.claims', %s, true)", (f'{{"sub": "{ann}"}}',))
                assert rows(connection, "SELECT body FROM notes ORDER BY id") == [("of Ann",), ("of Ann too",)]
                assert rows(connection, "SELECT email FROM users") == [("ann@example.org",)]
        (beside,) = [item for item in outcome.beside if item.name == "exposure"]
        assert beside.verified
        assert any("another user nothing" in line and "anon nothing" in line for line in beside.lines)
        assert engine.rollback(outcome.run, project.target).status is RunStatus.ROLLED_BACK
        assert fingerprint(superuser) == before


def test_a_second_run_makes_no_policy_twice_and_its_undo_leaves_those_of_the_first(
    make_source: MakeSource, project_target: Target, engine: Engine
) -> None:
    source = make_source(
        "CREATE TABLE sections (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO sections VALUES (1, 'a')"
    )
    scope = asking({"sections": ExposureScope(read="all")})
    policies = "SELECT polname FROM pg_policy WHERE polrelid = 'sections'::regclass"
    succeeded(engine.migrate(source, project_target, scope=scope))
    again = succeeded(engine.migrate(source, project_target, scope=scope))
    with session(project_target) as connection:
        assert rows(connection, policies) == [("read_all",)]
    assert engine.rollback(again.run, project_target).status is RunStatus.ROLLED_BACK
    with session(project_target) as connection:
        assert rows(connection, policies) == [("read_all",)]
