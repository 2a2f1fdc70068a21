"""Blobs of a column become objects where that is chosen, and come back into the column to the byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from migrator_tui.convert.blob_objects import BlobObjects, of_codec
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import FilesScope, ProjectScope
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, decided, fingerprint, rows, succeeded, value

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
LARGE = bytes(range(256)) * 30_000
"""Above what goes in one request."""

SCRIPT = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, content BLOB, thumb BLOB);
CREATE TABLE pages (book TEXT NOT NULL, page INTEGER NOT NULL, scan BLOB, PRIMARY KEY (book, page));
CREATE TABLE loose (what TEXT, scan BLOB NOT NULL);
CREATE TABLE hashed (id INTEGER PRIMARY KEY, digest BLOB);
CREATE TABLE bound (id INTEGER PRIMARY KEY, raw BLOB CHECK (length(raw) > 3));
"""
CHOSEN = decided(*(FindingDecision("FILES-BLOB", "key", t, c) for t, c in
                   (("notes", "content"), ("pages", "scan"), ("loose", "scan"))))  # fmt: skip


def fill(connection: sqlite3.Connection) -> None:
    connection.executescript(SCRIPT)
    connection.executemany(
        "INSERT INTO notes (title, content, thumb) VALUES (?, ?, ?)",
        [("png", PNG, b"1" * 1500), ("nothing", None, None), ("empty", b"", b""), ("large", LARGE, b"2" * 1500)],
    )
    connection.executemany(
        "INSERT INTO pages VALUES (?, ?, ?)",
        [("a/b", 1, b"one" * 500), ("a", 1, b"two" * 500), ("Ü %2F", 2, b"three" * 500), ("..", 3, b"four" * 500)],
    )
    connection.executemany("INSERT INTO loose VALUES (?, ?)", [("x", b"five" * 500), ("x", b"six" * 500)])
    connection.execute("INSERT INTO hashed VALUES (1, ?)", (b"d" * 32,))
    connection.execute("INSERT INTO bound VALUES (1, ?)", (b"b" * 2000,))


@pytest.fixture
def source(make_source: MakeSource) -> Path:
    return make_source(fill)


@pytest.fixture
def engine(project: Project) -> Engine:
    return Engine(Api(project.api_url, project.secret_key))


def scope(project: Project, *files: FilesScope) -> Scope:
    return Scope(project=ProjectScope(project.api_url, files=files))


def stored(project: Project) -> dict[tuple[str, str], bytes]:
    with connect(project.superuser) as connection:
        found = rows(connection, "SELECT bucket_id, name, version FROM storage.objects")
    return {(bucket, name): next(project.folder.rglob(str(v))).read_bytes() for bucket, name, v in found}


def contents(file: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        asked = (
            "SELECT id, title, typeof(content), content, thumb FROM notes ORDER BY id",
            "SELECT book, page, typeof(scan), scan FROM pages ORDER BY book, page",
            "SELECT what, typeof(scan), scan FROM loose ORDER BY scan",
        )
        return [row for query in asked for row in connection.execute(query)]


def verified(outcome: RunOutcome) -> RunOutcome:
    beside = succeeded(outcome).beside[0]
    assert (beside.name, beside.left, beside.verified) == ("files", 0, True)
    return outcome


def test_blobs_go_to_their_buckets_come_back_and_are_taken_back(
    source: Path, engine: Engine, project: Project, tmp_path: Path
) -> None:
    with connect(project.superuser) as connection:
        before = fingerprint(connection)
    outcome = verified(engine.migrate(source, project.target, scope=scope(project), decisions=CHOSEN))
    assert outcome.beside[0].moved == 9
    found = {f.column or "": f for f in outcome.findings if f.id == "FILES-BLOB" and f.table == "notes"}
    assert {name: f.decision for name, f in found.items()} == {"content": "key", "thumb": "bytea"}
    assert not [f for f in outcome.findings if f.table in ("hashed", "bound") and f.id.startswith("FILES")]
    assert stored(project) == {
        ("notes", "notes/content/1"): PNG,
        ("notes", "notes/content/3"): b"",
        ("notes", "notes/content/4"): LARGE,
        ("pages", "pages/scan/a=252Fb/1"): b"one" * 500,
        ("pages", "pages/scan/a/1"): b"two" * 500,
        ("pages", "pages/scan/=C3=9C =25252F/2"): b"three" * 500,
        ("pages", "pages/scan/=2E./3"): b"four" * 500,
        ("loose", "loose/scan/1"): b"five" * 500,
        ("loose", "loose/scan/2"): b"six" * 500,
    }
    with connect(project.superuser) as connection:
        named = rows(
            connection, "SELECT content, pg_typeof(content)::text, pg_typeof(thumb)::text FROM notes ORDER BY id"
        )
        assert named[:2] == [("notes/content/1", "text", "bytea"), (None, "text", "bytea")]
        kinds = dict(rows(connection, "SELECT name, metadata ->> 'mimetype' FROM storage.objects"))
        assert (kinds["notes/content/1"], kinds["notes/content/3"]) == ("image/png", "application/octet-stream")
        connection.execute("INSERT INTO notes (title, content) VALUES ('new', 'names nothing')")
        connection.commit()
    pulled = pull(PullRequest(tmp_path / "back.db"), project.target, api=engine.api)
    assert contents(tmp_path / "back.db")[:4] == contents(source)[:4]
    assert contents(tmp_path / "back.db")[5:] == contents(source)[4:]
    assert contents(tmp_path / "back.db")[4][:4] == (5, "new", "text", "names nothing")
    assert [(r.table, r.column, r.cells) for r in pulled.represented] == [("notes", "content", 1)]
    left = pull(PullRequest(tmp_path / "paths.db"), project.target)
    assert "the blobs stay in their buckets" in left.notes[0]
    with connect(project.superuser) as connection:
        connection.execute("DELETE FROM notes WHERE title = 'new'")
        connection.execute("SELECT setval('notes_id_seq', 4)")
        connection.commit()
    assert engine.rollback(outcome.run, project.target).status is RunStatus.ROLLED_BACK
    with connect(project.superuser) as connection:
        assert fingerprint(connection) == before
    assert stored(project) == {}


@pytest.mark.parametrize("at", ["files-intended", "file-begun", "file-stored", "published"])
def test_a_run_that_is_cut_off_among_blobs_goes_on_with_nothing_doubled(
    source: Path, engine: Engine, project: Project, at: str
) -> None:
    run = engine.cut(source, project.target, at, scope=scope(project), decisions=CHOSEN)
    outcome = verified(engine.resume(run, project.target))
    assert (outcome.beside[0].moved, outcome.beside[0].matched) == (9, 0)
    assert stored(project)["notes", "notes/content/4"] == LARGE
    engine.rollback(run, project.target)
    assert stored(project) == {}


def test_a_configured_column_may_hold_urls_and_joins_its_own_table_again(
    source: Path, engine: Engine, project: Project, tmp_path: Path
) -> None:
    files = (
        FilesScope("notes", "content", "public-notes", public=True, value="url"),
        FilesScope("notes", "thumb", "thumbs", value="keep"),
        FilesScope("bound", "raw", "bound"),
    )
    first = verified(engine.migrate(source, project.target, scope=scope(project, *files)))
    kept = {f.table: f.message for f in first.findings if f.id == "FILES-BLOB-KEPT"}
    assert "value: keep" in kept["notes"]
    assert "CHECK" in kept["bound"]
    project_plan = read_plan(RunFolder.open(first.run)).project
    assert project_plan is not None
    assert [(p.bucket, p.keys, p.files) for p in project_plan.files] == [("public-notes", ("id",), 3)]
    with connect(project.superuser) as connection:
        base = f"{project.api_url}/storage/v1/object/public/public-notes/"
        assert value(connection, "SELECT content FROM notes WHERE id = 1") == f"{base}notes/content/1"
    again = replace(scope(project, *files), exclude=("loose",))
    second = verified(engine.migrate(source, project.target, scope=again))
    assert (second.beside[0].moved, second.beside[0].matched) == (0, 3)
    pull(PullRequest(tmp_path / "back.db"), project.target, api=engine.api)
    assert contents(tmp_path / "back.db") == contents(source)


def test_blobs_stay_in_a_live_column_of_bytes_and_rows_left_behind_leave_no_object(
    make_source: MakeSource, engine: Engine, project: Project
) -> None:
    source = make_source(
        "CREATE TABLE live (id INTEGER PRIMARY KEY, raw BLOB);"
        "CREATE TABLE strays (id INTEGER PRIMARY KEY, up INTEGER REFERENCES live, raw BLOB);"
        f"INSERT INTO live VALUES (1, x'{'aa' * 2000}');"
        f"INSERT INTO strays VALUES (1, 1, x'{'bb' * 2000}'), (2, 9, x'{'cc' * 2000}');"
    )
    with connect(project.target) as connection:
        connection.execute("CREATE TABLE live (id bigint PRIMARY KEY, raw bytea)")
    chosen = decided(
        *(FindingDecision("FILES-BLOB", "key", table, "raw") for table in ("live", "strays")),
        FindingDecision("FK-ORPHAN", "quarantine", "strays"),
    )
    outcome = verified(engine.migrate(source, project.target, scope=scope(project), decisions=chosen))
    assert [f.table for f in outcome.findings if f.id == "FILES-BLOB-KEPT"] == ["live"]
    assert stored(project) == {("strays", "strays/raw/1"): b"\xbb" * 2000}
    with connect(project.superuser) as connection:
        assert value(connection, "SELECT raw FROM live") == b"\xaa" * 2000


def test_a_plan_that_makes_paths_of_blobs_and_moves_none_is_refused(
    source: Path, engine: Engine, project: Project
) -> None:
    columns = {"content": ("content", "text", BlobObjects("notes/content/", ("id",)).codec)}
    given = replace(scope(project), tables={"notes": TableOverride(columns=columns)})
    outcome = engine.migrate(source, project.target, scope=given)
    assert outcome.error is not None
    assert outcome.error.id == "PLAN-FILES"
    assert "notes.content" in outcome.error.message


def codecs() -> Iterator[BlobObjects]:
    yield BlobObjects("a/b/", ("id",))
    yield BlobObjects("a|b, c/d:e/", ("k,1", "Ü|"), "http://x:1/storage/v1/object/public/b/")


@pytest.mark.parametrize("named", codecs())
def test_a_codec_tells_how_the_objects_are_named(named: BlobObjects) -> None:
    assert of_codec(named.codec) == named


@pytest.mark.parametrize("name", ["object-of-blob", "object-of-blob:|a/|", "object-of-blob:x|a/|id", "text"])
def test_what_is_no_such_codec_is_none(name: str) -> None:
    assert of_codec(name) is None
