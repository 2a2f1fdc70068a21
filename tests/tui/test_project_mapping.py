"""Users, files and access on screen: what was guessed is shown, what was guessed wrong is corrected, the run obeys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.planning import guess_users
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.plan import Scope
from migrator_tui.model.project import (
    ExposureScope,
    ProjectScope,
    UsersPlan,
    UsersScope,
)
from migrator_tui.model.schema import Column, Key, Table, TableName
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.ask import Ask
from migrator_tui.tui.dialogs.pick import Pick
from migrator_tui.tui.dialogs.project import ProjectMapping
from migrator_tui.tui.project_edits import Chosen, files_of, new_files, users_of, with_users_table, without_files
from migrator_tui.tui.screens.select import SelectScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.project_list import Key as LineKey
from migrator_tui.tui.widgets.project_list import ProjectList
from tests.migration.running import Engine, build, rows, succeeded
from tests.tui.planned import PROJECT, on_step, planned, settled
from tests.tui.scripted import ScriptedGuide
from tests.tui.stepping import ENDS
from tests.tui.test_snapshots import SIZES, Compare
from tests.tui.waiting import on, until

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, login TEXT, password_hash TEXT, full_name TEXT);
CREATE TABLE documents (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES users(id), title TEXT, path TEXT,
  scan BLOB);
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
INSERT INTO documents VALUES (1, 1, 'a', 'uploads/a.txt', x'89504e47'), (2, 2, 'b', 'uploads/b.txt', NULL);
INSERT INTO notes VALUES (1, 'hello');
"""


def lines(app: MigratorApp) -> dict[LineKey, str]:
    return {entry.key: entry.value for entry in app.screen.query_one(ProjectList).entries if entry.key}


async def change(app: MigratorApp, pilot: Pilot[int], *key: str) -> None:
    """Enter on a line."""
    shown = app.screen.query_one(ProjectList)
    shown.move_to(next(n for n, entry in enumerate(shown.entries) if entry.key == key))
    await pilot.press("enter")


async def take(app: MigratorApp, pilot: Pilot[int], title: str) -> None:
    """Enter on an answer, then wait for the plan."""
    await until(pilot, lambda: on(app, Pick))
    answers = app.screen.query_one(OptionList)
    found = [n for n in range(answers.option_count) if str(answers.get_option_at_index(n).prompt)[2:].startswith(title)]
    answers.highlighted = found[0]
    await pilot.press("enter")
    await until(pilot, lambda: drafted(app))


def drafted(app: MigratorApp) -> bool:
    """The dialog shows the plan for the latest choices."""
    below = app.screen_stack[-2]
    return on(app, ProjectMapping) and isinstance(below, SelectScreen) and below.plan is app.session.plan is not None


def planned_users(app: MigratorApp) -> UsersPlan | None:
    plan = app.session.plan
    assert plan is not None
    assert plan.project is not None
    return plan.project.users


async def test_a_wrong_guess_is_corrected_and_the_run_obeys(project: Project, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    for name in "ab":
        (uploads / f"{name}.txt").write_text(name)
    source = build(
        tmp_path / "app.db",
        SCHEMA
        + "".join(
            f"INSERT INTO users VALUES ({n}, 'office@example.org', 'u{n}@example.org', '{passwords.HASHES[n]}', 'U');"
            for n in (1, 2)
        ),
    )
    scope = Scope(project=ProjectScope(project.api_url, uploads))
    async with on_step(Step.SELECT, source, project.target, scope=scope) as (app, pilot):
        await pilot.press("u")
        await until(pilot, lambda: on(app, ProjectMapping))
        assert lines(app)["users", "email"] == "email"
        assert lines(app)["users", "password_hash"] == "password_hash"
        assert lines(app)["files", "documents", "path", "column"] == "2 files"
        await change(app, pilot, "users", "email")
        await take(app, pilot, "login")
        assert lines(app)["users", "email"] == "login"
        await change(app, pilot, "files", "documents", "path", "public")
        await take(app, pilot, "users their own")
        assert lines(app)["files", "documents", "path", "public"] == "users their own"
        await change(app, pilot, "files", "documents", "path", "public")
        await take(app, pilot, "everybody")
        await change(app, pilot, "files", "documents", "path", "bucket")
        await until(pilot, lambda: on(app, Ask))
        app.screen.query_one(Input).value = "papers"
        await pilot.press("enter")
        await until(pilot, lambda: drafted(app))
        for field, typed in (("size", "2 MB"), ("types", "text/*, image/png")):
            await change(app, pilot, "files", "documents", "path", field)
            await until(pilot, lambda: on(app, Ask))
            app.screen.query_one(Input).value = typed
            await pilot.press("enter")
            await until(pilot, lambda: drafted(app))
        assert lines(app)["files", "documents", "path", "size"] == "2.0 MB"
        await change(app, pilot, "files", "add")
        await take(app, pilot, "documents.scan")
        await change(app, pilot, "files", "documents", "scan", "bucket")
        await until(pilot, lambda: on(app, Ask))
        app.screen.query_one(Input).value = "scans"
        await pilot.press("enter")
        await until(pilot, lambda: drafted(app))
        await change(app, pilot, "files", "documents", "scan", "value")
        await take(app, pilot, "its public URL")
        assert lines(app)["files", "documents", "scan", "public"] == "everybody (public)"
        await change(app, pilot, "access", "documents")
        await take(app, pilot, "everybody reads it")
        await change(app, pilot, "access", "notes")
        await take(app, pilot, "whoever is signed in")
        await pilot.press("escape")
        await until(pilot, lambda: settled(app))
        chosen = Chosen(app.session.scope, app.session.decisions)
    engine = Engine(Api(project.api_url, project.secret_key))
    asked: dict[str, Any] = {"scope": chosen.scope, "decisions": chosen.decisions, "accept_lossy": True}
    succeeded(engine.migrate(source, project.target, **asked))
    with connect(project.superuser) as connection:
        assert rows(connection, "SELECT email FROM auth.users ORDER BY 1") == [
            ("u1@example.org",),
            ("u2@example.org",),
        ]
        assert rows(
            connection, "SELECT id, public, file_size_limit, allowed_mime_types FROM storage.buckets ORDER BY 1"
        ) == [("papers", True, 2_000_000, ["text/*", "image/png"]), ("scans", True, None, None)]
        scanned = rows(connection, "SELECT scan FROM public.documents ORDER BY id")
        assert scanned[0][0].startswith(f"{project.api_url}/storage/v1/object/public/scans/")
        assert scanned[1] == (None,)
        counted = "SELECT bucket_id, count(*) FROM storage.objects GROUP BY 1 ORDER BY 1"
        assert rows(connection, counted) == [("papers", 2), ("scans", 1)]
        policies = rows(connection, "SELECT tablename, roles::text FROM pg_policies WHERE schemaname = 'public'")
        assert {table: roles for table, roles in policies if table != "users"} == {
            "documents": "{anon,authenticated}",
            "notes": "{authenticated}",
        }


async def test_users_may_stay_rows_and_be_taken_for_users_again(project: Project, tmp_path: Path) -> None:
    hashed = passwords.HASHES[1]
    source = build(
        tmp_path / "app.db", SCHEMA + f"INSERT INTO users VALUES (1, 'a@example.org', 'a', '{hashed}', 'A');"
    )
    async with on_step(Step.SELECT, source, project.target, size=(80, 24)) as (app, pilot):
        await pilot.press("u")
        await until(pilot, lambda: on(app, ProjectMapping))
        await change(app, pilot, "users", "table")
        await take(app, pilot, "none")
        assert planned_users(app) is None
        assert ("users", "email") not in lines(app)
        await change(app, pilot, "users", "table")
        await take(app, pilot, "users")
        assert planned_users(app) is not None
        assert lines(app)["users", "email"] == "email"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("dialog", ["lines", "access"])
def test_the_mapping_looks_as_it_was_accepted(size: tuple[int, int], dialog: str, snap_compare: Compare) -> None:
    app = MigratorApp(ScriptedGuide(), folder=Path("shop"), prepare_demo=lambda folder: ENDS)
    app.animation_level = "none"

    async def go(pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.session.begin(ENDS)
        app.session.bench = planned()
        app.session.scope = PROJECT
        app.go(Step.SELECT)
        await until(pilot, lambda: settled(app))
        await pilot.press("u")
        await until(pilot, lambda: on(app, ProjectMapping))
        if dialog == "access":
            await change(app, pilot, "access", "table_0002")
            await until(pilot, lambda: on(app, Pick))
        await pilot.pause(0.3)

    assert snap_compare(app, terminal_size=size, run_before=go)


def test_what_is_fixed_goes_before_what_was_guessed() -> None:
    plan = planned().made
    guessed = Chosen(Scope(), Decisions())
    assert [f.bucket for f in files_of(guessed, plan)] == ["papers"]
    table = Table(
        TableName("", "members"),
        (Column("nr", "INTEGER"), Column("E_Mail", "TEXT"), Column("pwd", "TEXT")),
        Key(("nr",)),
    )
    chosen = with_users_table(guessed, users_of(guessed, plan), table)
    assert users_of(chosen, plan) == guess_users.by_names(table)
    assert users_of(chosen, plan) == UsersScope("members", "nr", "E_Mail", password_hash="pwd")
    kept = with_users_table(chosen, users_of(chosen, plan), None)
    assert users_of(kept, plan) is None
    left = without_files(chosen, files_of(chosen, plan), new_files("table_0001", "c5"))
    assert left.scope.project.files == ()
    assert [(d.id, d.choice) for d in left.decisions.findings] == [("FILES-COLUMN", "leave"), ("USERS-TABLE", "auth")]
    assert left.scope.project.exposure == dict[str, ExposureScope]()
