"""Which columns name files, what becomes of their values, and what is said of files that cannot be moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator_tui.migration.planning.target_plan import draft_plan
from migrator_tui.migration.request import Request
from migrator_tui.migration.staging import Source
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.project import FilesScope, ProjectScope, UsersScope
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, decided

API = "https://abcd.supabase.co"
STORAGE = """
CREATE SCHEMA storage;
CREATE TABLE storage.buckets (id text PRIMARY KEY, name text, public boolean, file_size_limit bigint,
    allowed_mime_types text[]);
CREATE TABLE storage.objects (id uuid DEFAULT gen_random_uuid(), bucket_id text, name text, owner_id text,
    metadata jsonb, user_metadata jsonb);
"""
DOCUMENTS = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE documents (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES users (id), title TEXT, path TEXT);
INSERT INTO users VALUES (1, 'Ann');
INSERT INTO documents (owner_id, title, path) VALUES
  (1, 'first', 'uploads/a.txt'), (1, 'second', 'uploads/2024/Ü #1.txt'), (1, 'third', 'uploads/gone.txt'),
  (1, 'fourth', 'uploads/../secret.txt'), (1, 'fifth', '/etc/passwd'), (1, 'sixth', NULL), (1, 'seventh', ''),
  (1, 'eighth', 'uploads/a.txt');
"""


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    (folder / "2024").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "2024" / "Ü #1.txt").write_text("two, longer")
    (folder / "nobody.txt").write_text("three")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def storage(db: Connection) -> Connection:
    """A target with a schema ``storage``."""
    db.execute(STORAGE)
    db.commit()
    return db


def planned(source: Path, target: Target, project: ProjectScope, *decisions: FindingDecision) -> Plan:
    database = inspect(source)
    request = Request(source, Scope(project=project), decided(*decisions), accept_recommended=True)
    with connect(target) as connection:
        return draft_plan(connection, Source(source, database, profile(source, database)), "0" * 64, request)


def found(plan: Plan, id: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.id == id]


def codec(plan: Plan, column: str = "path") -> str:
    return next(c.codec for c in plan.table("documents").columns if c.source == column)


def asked(uploads: Path, **how: object) -> ProjectScope:
    return ProjectScope(API, uploads, files=(FilesScope("documents", "path", "docs", **how),))  # type: ignore[arg-type]


@pytest.mark.usefixtures("storage")
def test_a_column_whose_values_name_files_is_proposed_and_rewritten(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    plan = planned(make_source(DOCUMENTS.replace("'/etc/passwd'", "NULL")), target, ProjectScope(API, uploads))
    (proposed,) = found(plan, "FILES-COLUMN")
    assert (proposed.table, proposed.column, proposed.decision) == ("documents", "path", "key")
    assert plan.project is not None
    (files,) = plan.project.files
    assert (files.bucket, files.prefix, files.files, files.bytes, files.missing) == ("documents", "uploads/", 2, 14, 2)
    assert files.creates
    assert codec(plan) == "object-key:uploads/"
    assert codec(plan, "title") == "text"


@pytest.mark.usefixtures("storage")
def test_a_column_that_is_decided_to_be_left_stays_as_it_is(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    source = make_source(DOCUMENTS.replace("'/etc/passwd'", "NULL"))
    leave = FindingDecision("FILES-COLUMN", "leave", "documents", "path")
    plan = planned(source, target, ProjectScope(API, uploads), leave)
    assert plan.project is None or not plan.project.files
    assert codec(plan) == "text"


@pytest.mark.usefixtures("storage")
def test_values_that_name_no_file_or_one_outside_are_told_and_the_files_that_nobody_names(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    (uploads / "link.txt").symlink_to(uploads.parent / "secret.txt")
    source = make_source(DOCUMENTS + "INSERT INTO documents (path) VALUES ('uploads/link.txt');")
    plan = planned(source, target, asked(uploads))
    (missing,) = found(plan, "FILES-MISSING")
    assert missing.samples == ("uploads/gone.txt",)
    (refused,) = found(plan, "FILES-REFUSED")
    assert set(refused.samples) == {"uploads/../secret.txt", "/etc/passwd", "uploads/link.txt"}
    (nobody,) = found(plan, "FILES-UNREFERENCED")
    assert nobody.samples == ("nobody.txt",)


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, "object-key:uploads/"),
        ({"value": "keep"}, "text"),
        ({"value": "url", "public": True}, f"object-url:{API}/storage/v1/object/public/docs/|uploads/"),
    ],
)
def test_what_the_column_holds_is_chosen_by_the_configuration(
    make_source: MakeSource, target: Target, uploads: Path, how: dict[str, object], expected: str
) -> None:
    assert codec(planned(make_source(DOCUMENTS), target, asked(uploads, **how))) == expected


@pytest.mark.usefixtures("storage")
def test_values_that_begin_in_several_ways_keep_their_beginnings(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    source = make_source(DOCUMENTS + "INSERT INTO documents (path) VALUES ('/media/nobody.txt'), ('a.txt');")
    plan = planned(source, target, asked(uploads))
    assert plan.project is not None
    (files,) = plan.project.files
    assert (files.prefix, set(files.prefixes), files.files) == ("", {"uploads/", "/media/", ""}, 4)
    assert not found(plan, "FILES-UNREFERENCED")


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT CHECK (path LIKE 'uploads/%'))",
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT, n TEXT AS (upper(path)))",
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT UNIQUE); "
        "CREATE TABLE shares (path TEXT REFERENCES documents (path))",
    ],
)
def test_a_column_that_something_depends_on_keeps_its_values(
    make_source: MakeSource, target: Target, uploads: Path, table: str
) -> None:
    source = make_source(f"{table}; INSERT INTO documents (id, path) VALUES (1, 'uploads/a.txt');")
    plan = planned(source, target, asked(uploads))
    assert codec(plan) == "text"
    assert found(plan, "FILES-VALUE-KEPT")
    assert plan.project is not None
    assert plan.project.files[0].value == "keep"
    assert plan.project.files[0].files == 1


def test_what_the_bucket_does_not_take_needs_a_decision(
    make_source: MakeSource, target: Target, uploads: Path, storage: Connection
) -> None:
    storage.execute("INSERT INTO storage.buckets VALUES ('docs', 'docs', true, 5, '{image/*}')")
    storage.execute("INSERT INTO storage.buckets VALUES ('text', 'text', false, NULL, '{text/plain}')")
    storage.execute("INSERT INTO storage.objects (bucket_id, name, metadata) VALUES ('text', 'a.txt', '{\"size\": 4}')")
    storage.commit()
    plan = planned(make_source(DOCUMENTS), target, asked(uploads))
    (large,) = found(plan, "FILES-TOO-LARGE")
    (kind,) = found(plan, "FILES-TYPE")
    assert (large.decision, large.samples) == (None, ("2024/Ü #1.txt (0.0 MB)",))
    assert (kind.decision, kind.samples) == (None, ("a.txt",))
    (opened,) = found(plan, "FILES-BUCKET")
    assert opened.decision == "use"
    text = ProjectScope(API, uploads, files=(FilesScope("documents", "path", "text"),))
    (taken,) = found(planned(make_source(DOCUMENTS, "again.db"), target, text), "FILES-CONFLICT")
    assert (taken.decision, taken.samples) == (None, ("a.txt",))


@pytest.mark.usefixtures("storage")
def test_files_above_the_free_plans_limit_and_paths_too_long_for_a_key_are_told(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    with (uploads / "film.mp4").open("wb") as film:
        film.truncate(50_000_001)
    long = "/".join(["日" * 80] * 3)
    (uploads / long).parent.mkdir(parents=True)
    (uploads / long).write_text("long")
    more = f"INSERT INTO documents (path) VALUES ('uploads/film.mp4'), ('uploads/{long}');"
    plan = planned(make_source(DOCUMENTS + more), target, asked(uploads))
    (large,) = found(plan, "FILES-LARGE")
    assert large.samples == ("film.mp4 (50.0 MB)",)
    (key,) = found(plan, "FILES-KEY")
    assert (key.samples, key.choices, key.decision) == ((long[:200],), ("leave",), None)


@pytest.mark.usefixtures("storage")
def test_the_column_of_the_user_whose_file_it_is_is_found_by_its_foreign_key(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    project = ProjectScope(
        API, uploads, UsersScope("users", email="name"), files=(FilesScope("documents", "path", "docs"),)
    )
    plan = planned(make_source(DOCUMENTS), target, project)
    assert plan.project is not None
    assert plan.project.files[0].owner == "owner_id"


def test_without_storage_an_api_or_a_folder_files_are_told_to_stay(
    make_source: MakeSource, target: Target, uploads: Path
) -> None:
    source = make_source(DOCUMENTS)
    scope = asked(uploads)
    for project in (
        scope,
        ProjectScope(None, uploads, files=scope.files),
        ProjectScope(API, None, files=scope.files),
        ProjectScope(API, uploads / "none", files=scope.files),
    ):
        plan = planned(source, target, project)
        assert found(plan, "FILES-NOT-MOVED")
        assert codec(plan) == "text"
    assert not [f for f in planned(source, target, ProjectScope()).findings if f.id.startswith("FILES")]
