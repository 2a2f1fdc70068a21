"""Files of supabase/migrations: their names, their text, and what a run leaves of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.demo.project.layout import lay_out
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import ExposureScope, ProjectScope
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.merge import sql
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from migrator_tui.supabase.migration_file import next_version, slug, versions_in
from tests.cli.conftest import Cli
from tests.migration.running import Engine, build, rows, session, succeeded, value

SOURCE = """
CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT, body TEXT DEFAULT 'none' CHECK (body <> ''));
CREATE TABLE tags (note INTEGER REFERENCES notes, tag TEXT, PRIMARY KEY (note, tag));
CREATE INDEX tags_tag ON tags (tag);
CREATE VIEW bodies AS SELECT body FROM notes;
INSERT INTO notes (author, body) VALUES ('00000000-0000-0000-0000-00000000000b', 'a secret that no file has');
"""
SCHEMA = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY 1, 2",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT tablename, policyname, roles, cmd, qual, with_check FROM pg_policies WHERE schemaname = 'public' "
    "ORDER BY 1, 2",
    "SELECT relname, relrowsecurity, reloptions, ARRAY(SELECT x::text FROM unnest(relacl) x ORDER BY 1) FROM pg_class "
    "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY 1",
)
NOW = datetime(2026, 11, 23, 7, 8, 9, tzinfo=UTC)


@given(st.lists(st.from_regex(r"[0-9]{14}", fullmatch=True), max_size=5))
def test_a_version_is_the_time_and_newer_than_every_other(taken: list[str]) -> None:
    version = next_version(NOW, taken)
    assert len(version) >= 14
    assert all(int(version) > int(other) for other in taken)
    assert taken or version == "20261123070809"


@pytest.mark.parametrize(
    ("name", "expected"), [("My App.v2", "my_app_v2"), ("  ", "migration"), ("ÄÖ", "migration"), ("a" * 99, "a" * 60)]
)
def test_a_name_is_made_of_words(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.fixture
def engine() -> Engine:
    """Begins and rolls back runs."""
    return Engine()


def scope_of(folder: Path, *, record: bool) -> Scope:
    """The scope of a run that writes its schema into a folder."""
    exposure = {"notes": ExposureScope(owner="author")}
    return Scope(project=ProjectScope(exposure=exposure, migrations=folder, record_migration=record))


def test_a_project_built_from_the_file_has_the_schema_of_the_run(
    tmp_path: Path, target: Target, server: EmbeddedServer, engine: Engine
) -> None:
    folder = tmp_path / "supabase" / "migrations"
    project = lay_out(target)
    outcome = succeeded(
        engine.migrate(build(tmp_path / "My App.db", SOURCE), project, scope=scope_of(folder, record=True))
    )
    (file,) = folder.iterdir()
    assert file.name.endswith("_from_my_app.sql")
    text = file.read_text()
    assert "a secret" not in text
    assert "INSERT INTO" not in text
    other = lay_out(fresh_database(server.target(), f"{target.database}_again"))
    with session(project) as made, session(other) as again:
        again.execute(sql(text))
        for query in SCHEMA:
            assert rows(again, query) == rows(made, query)
        history = rows(made, "SELECT version, name, cardinality(statements) FROM supabase_migrations.schema_migrations")
        assert [(version, name) for version, name, _ in history] == [(versions_in(folder)[0], "from_my_app")]
        assert history[0][2] > 5
    assert [(item.name, item.verified) for item in outcome.beside] == [("exposure", True), ("migration file", True)]
    assert engine.rollback(outcome.run, project).status is RunStatus.ROLLED_BACK
    assert list(folder.iterdir()) == []
    with session(project) as connection:
        assert value(connection, "SELECT count(*) FROM supabase_migrations.schema_migrations") == 0


def test_an_edited_file_is_kept_and_a_run_that_was_not_asked_records_nothing(
    tmp_path: Path, target: Target, engine: Engine
) -> None:
    folder = tmp_path / "migrations"
    outcome = succeeded(
        engine.migrate(build(tmp_path / "dev.db", SOURCE), target, scope=scope_of(folder, record=False))
    )
    with session(target) as connection:
        assert value(connection, "SELECT to_regnamespace('supabase_migrations')") is None
    (file,) = folder.iterdir()
    file.write_text("-- mine\n")
    undone = engine.rollback(outcome.run, target)
    assert any("edited since" in line for line in undone.kept_edits)
    assert file.read_text() == "-- mine\n"


def test_a_plan_is_written_as_a_migration_and_changes_nothing(tmp_path: Path, target: Target, cli: Cli) -> None:
    source = build(tmp_path / "dev.db", SOURCE)
    folder = tmp_path / "migrations"
    answer = cli("plan", "--source", source, "--target", target.display, "--migration-file", folder, "--yes", "--json")
    assert answer.code == 0, answer.err
    (file,) = folder.iterdir()
    assert 'CREATE TABLE "public"."notes"' in file.read_text()
    with session(target) as connection:
        assert value(connection, "SELECT to_regclass('public.notes')") is None
    alone = cli("plan", "--source", source, "--target", target.display, "--record-migration", "--json")
    assert alone.code == 2


def test_verify_tries_again_who_may_reach_the_tables(tmp_path: Path, target: Target, engine: Engine, cli: Cli) -> None:
    project = lay_out(target)
    outcome = succeeded(
        engine.migrate(build(tmp_path / "dev.db", SOURCE), project, scope=scope_of(tmp_path / "m", record=False))
    )
    url = f"{project.display.replace('project_owner', 'project_owner:project-owner')}"
    answer = cli("verify", outcome.run, "--target", url, "--json")
    assert answer.code == 0, answer.err
    assert answer.document["access"]["verified"] is True
    with session(project) as connection:
        connection.execute("CREATE POLICY wrong ON notes FOR SELECT TO authenticated USING (true)")
    answer = cli("verify", outcome.run, "--target", url)
    assert answer.code == 4
    assert "another user may select" in answer.out
