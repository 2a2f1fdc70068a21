"""The sample application: the same every time, true to what it says, and careful with the folder it is built in."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import bcrypt
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator_tui.demo import sample_rows
from migrator_tui.demo.passwords import HASHES, password
from migrator_tui.demo.sample_app import MISSING_DOCUMENT, TROUBLE, UNREFERENCED_FILE, SampleApp, build
from migrator_tui.demo.sample_files import sample_files
from migrator_tui.demo.sample_folder import MARKER
from migrator_tui.model.errors import SourceError, UsageError
from migrator_tui.model.findings import CATALOGUE


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> SampleApp:
    return build(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def database(app: SampleApp) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{app.database}?mode=ro", uri=True)) as connection:
        yield connection


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def keys_of(finding: str) -> tuple[int, ...]:
    return next(trouble.keys for trouble in TROUBLE if trouble.finding == finding)


def test_two_builds_are_the_same_to_the_byte(app: SampleApp, tmp_path: Path) -> None:
    build(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(app.database.parent)


def test_another_seed_gives_other_people_and_messages(tmp_path: Path) -> None:
    one, two = (build(tmp_path / str(seed), scale=0.1, seed=seed, files=False) for seed in (1, 2))
    assert one.rows == two.rows
    for query in ("SELECT group_concat(full_name) FROM users", "SELECT group_concat(body) FROM messages"):
        with closing(sqlite3.connect(one.database)) as left, closing(sqlite3.connect(two.database)) as right:
            assert left.execute(query).fetchone() != right.execute(query).fetchone()


def test_at_scale_one_it_has_about_five_thousand_rows_and_says_how_many_of_each(
    app: SampleApp, database: sqlite3.Connection
) -> None:
    tables = [
        name
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    assert {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables} == app.rows
    assert 4_500 <= sum(app.rows.values()) <= 5_500
    assert app.rows["sections"] == 60


def test_what_grows_grows_with_the_scale(app: SampleApp, tmp_path: Path) -> None:
    triple = build(tmp_path, scale=3, files=False).rows
    fixed = {"sections", "settings"}
    assert triple == {name: rows if name in fixed else 3 * rows for name, rows in app.rows.items()}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.001, 0.4))
def test_the_documented_trouble_is_there_and_no_other_at_any_seed_and_scale(seed: int, scale: float) -> None:
    with TemporaryDirectory() as folder:
        app = build(Path(folder), scale=scale, seed=seed, files=False)
        with closing(sqlite3.connect(app.database)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            orphans = db.execute("PRAGMA foreign_key_check").fetchall()
            assert [(table, rowid, parent) for table, rowid, parent, _ in orphans] == [
                ("messages", *keys_of("FK-ORPHAN"), "users")
            ]
            for table, column in (("users", "email"), ("sections", "slug"), ("documents", "path")):
                twins = db.execute(
                    f"SELECT id FROM {table} WHERE lower({column}) IN "
                    f"(SELECT lower({column}) FROM {table} GROUP BY 1 HAVING count(*) > 1) ORDER BY id"
                ).fetchall()
                assert tuple(key for (key,) in twins) == (keys_of("KEY-CASE") if table == "users" else ())
            nuls = db.execute("SELECT id FROM messages WHERE instr(body, char(0))").fetchall()
            assert tuple(key for (key,) in nuls) == keys_of("VALUE-NUL")
            spellings = {
                re.sub(r"\d", "9", login)
                for (login,) in db.execute("SELECT last_login FROM users WHERE last_login IS NOT NULL")
            }
            assert (
                {"9999-99-99 99:99:99"}
                < spellings
                <= {
                    "9999-99-99 99:99:99",
                    "99.99.9999",
                    "9999-99-99T99:99:99Z",
                }
            )


def test_last_logins_are_written_in_three_ways_and_mostly_in_one(database: sqlite3.Connection) -> None:
    counts: dict[str, int] = {}
    for (login,) in database.execute("SELECT last_login FROM users WHERE last_login IS NOT NULL"):
        shape = re.sub(r"\d", "9", login)
        counts[shape] = counts.get(shape, 0) + 1
    assert len(counts) == 3
    assert counts["9999-99-99 99:99:99"] > 5 * (counts["99.99.9999"] + counts["9999-99-99T99:99:99Z"])


def test_nothing_refers_to_the_orphan_so_quarantine_keeps_one_row_behind(database: sqlite3.Connection) -> None:
    (orphan,) = keys_of("FK-ORPHAN")
    assert database.execute("SELECT count(*) FROM messages WHERE thread_id = ?", (orphan,)).fetchone() == (0,)


def test_the_nul_stands_behind_the_part_that_the_preview_shows(database: sqlite3.Connection) -> None:
    (key,) = keys_of("VALUE-NUL")
    body, preview = database.execute("SELECT body, preview FROM messages WHERE id = ?", (key,)).fetchone()
    assert "\0" in body
    assert preview == body[:40]


def test_however_many_users_there_are_the_missing_one_stays_missing() -> None:
    amounts = sample_rows.Amounts(users=10_050, activities=20, documents=20, messages=2_000, audit_log=10)
    ids = {row[0] for row in sample_rows.users(amounts, Random(1))}
    assert len(ids) == amounts.users
    strangers = {row[0] for row in sample_rows.messages(amounts, Random(1)) if row[1] not in ids or row[2] not in ids}
    assert strangers == set(keys_of("FK-ORPHAN"))


def test_every_password_hash_verifies_with_its_documented_password(database: sqlite3.Connection) -> None:
    for index, stored in enumerate(HASHES):
        assert bcrypt.checkpw(password(index).encode(), stored.encode())
        assert not bcrypt.checkpw(b"another", stored.encode())
    used = {stored for (stored,) in database.execute("SELECT password_hash FROM users")}
    assert used == set(HASHES)


def test_documents_tell_the_true_size_and_hash_of_files_that_are_there_but_one(
    app: SampleApp, database: sqlite3.Connection
) -> None:
    on_disk = contents(app.uploads)
    missing = []
    for key, path, size, digest in database.execute("SELECT id, path, size, sha256 FROM documents"):
        data = on_disk.pop(path, None)
        if data is None:
            missing.append(key)
        else:
            assert (size, digest) == (len(data), hashlib.sha256(data).hexdigest())
    assert missing == [MISSING_DOCUMENT]
    assert list(on_disk) == [UNREFERENCED_FILE]


def test_uploads_hold_at_most_three_hundred_files_and_rows_beyond_repeat_their_contents(tmp_path: Path) -> None:
    app = build(tmp_path, scale=1.2)
    assert app.rows["documents"] == 360
    assert len(contents(app.uploads)) == 300
    with closing(sqlite3.connect(app.database)) as db:
        assert db.execute("SELECT count(DISTINCT path) FROM documents").fetchone() == (360,)
        first, again = db.execute("SELECT size, sha256, mime FROM documents WHERE id IN (5, 305) ORDER BY id")
        assert first == again


def test_uploaded_files_are_what_their_extension_says(app: SampleApp) -> None:
    sizes = [len(file.data) for file in sample_files(300, 2026)]
    assert min(sizes) == 0
    assert 20_000 < max(sizes) < 45_000
    for path, data in contents(app.uploads).items():
        if path.endswith(".png"):
            assert data.startswith(b"\x89PNG\r\n\x1a\n")
            width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
            length = int.from_bytes(data[33:37])
            assert len(zlib.decompress(data[41 : 41 + length])) == (width + 1) * height
        elif path.endswith(".pdf"):
            assert data.startswith(b"%PDF-")
            place = int(data.split(b"startxref\n")[1].split()[0])
            assert data[place : place + 4] == b"xref"
        else:
            data.decode("utf-8")


def test_the_schema_has_what_applications_have(database: sqlite3.Connection) -> None:
    assert database.execute("SELECT count(*) FROM active_users").fetchone()[0] > 200
    assert database.execute("SELECT sum(activities) FROM section_activity").fetchone() == (400,)
    sql = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    assert "WHERE kind = 'exam'" in sql["activities_exams"]
    assert "lower(title)" in sql["activities_by_title"]
    assert sql["enrolments"].endswith("WITHOUT ROWID")
    assert not [row for row in database.execute("PRAGMA table_info(audit_log)") if row[5]]
    depths = database.execute(
        "WITH RECURSIVE tree (id, depth) AS (SELECT id, 1 FROM sections WHERE parent_id IS NULL UNION ALL "
        "SELECT s.id, depth + 1 FROM sections s JOIN tree t ON s.parent_id = t.id) "
        "SELECT depth, count(*) FROM tree GROUP BY depth"
    ).fetchall()
    assert depths == [(1, 6), (2, 18), (3, 36)]
    (high,) = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'users'").fetchone()
    assert high > database.execute("SELECT max(id) FROM users").fetchone()[0]


def test_the_touch_trigger_notes_an_update(tmp_path: Path) -> None:
    app = build(tmp_path, scale=0.01, files=False)
    with closing(sqlite3.connect(app.database)) as db:
        db.execute("UPDATE activities SET points = 1 WHERE id = 1")
        assert db.execute("SELECT id FROM activities WHERE updated_at IS NOT NULL").fetchall() == [(1,)]


def test_the_decisions_answer_every_finding_with_one_of_its_choices(
    app: SampleApp, database: sqlite3.Connection
) -> None:
    decided = yaml.safe_load(app.decisions.read_text(encoding="utf-8"))["findings"]
    for entry in decided:
        assert CATALOGUE[entry["id"]].choice(entry["choice"]) is not None
        columns = {row[1] for row in database.execute(f"PRAGMA table_xinfo({entry['table']})")}
        assert entry.get("column") in columns | {None}
    answered = {(entry["id"], entry["table"]) for entry in decided}
    assert {(t.finding, t.table) for t in TROUBLE if t.finding} <= answered
    assert {("CHECK-ENUM", "users"), ("CHECK-ENUM", "activities")} <= answered


@pytest.mark.parametrize("name", ["app.db", "app.db-wal", "decisions.yaml", "uploads/mine.txt"])
def test_a_folder_with_files_of_somebody_else_is_refused_and_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as refused:
        build(tmp_path, scale=0.01)
    assert refused.value.id == "DEMO-FOLDER"
    assert str(tmp_path / name.split("/")[0]) in refused.value.message
    assert contents(tmp_path) == {name: b"mine"}


def test_files_beside_the_sample_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    build(tmp_path, scale=0.01)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_building_again_replaces_the_earlier_build_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    earlier = build(folder, scale=1)
    own = earlier.uploads / "documents" / "mine.txt"
    own.write_text("mine")
    (folder / "app.db-wal").write_bytes(b"left by a crash")
    with closing(sqlite3.connect(earlier.database)) as db:
        db.execute("DROP VIEW active_users")
    build(folder, scale=0.1, seed=7)
    build(tmp_path / "fresh", scale=0.1, seed=7)
    assert own.read_text() == "mine"
    own.unlink()
    assert contents(folder) == contents(tmp_path / "fresh")


def test_a_file_that_took_the_name_of_an_upload_is_named_and_nothing_is_removed(tmp_path: Path) -> None:
    app = build(tmp_path, scale=0.01, files=False)
    clash = app.uploads / UNREFERENCED_FILE
    clash.parent.mkdir(parents=True)
    clash.write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="not filed"):
        build(tmp_path, scale=0.01)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("line", ["../precious.txt", "uploads/../../precious.txt", "link/precious.txt", "/{outside}"])
def test_a_marker_that_points_outside_is_refused(line: str, tmp_path: Path) -> None:
    folder, precious = tmp_path / "demo", tmp_path / "precious.txt"
    precious.write_text("mine")
    build(folder, scale=0.01, files=False)
    (folder / "link").symlink_to(tmp_path)
    with (folder / MARKER).open("a") as marker:
        marker.write(line.format(outside=precious) + "\n")
    with pytest.raises(UsageError) as refused:
        build(folder, scale=0.01, files=False)
    assert refused.value.id == "DEMO-FOLDER"
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"something else\n"])
def test_a_marker_that_is_not_the_samples_own_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / MARKER).write_bytes(data)
    with pytest.raises(UsageError, match=re.escape(MARKER)):
        build(tmp_path, scale=0.01)
    assert contents(tmp_path) == {MARKER: data}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="not a folder"):
            build(folder, scale=0.01)


def test_what_the_disk_refuses_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / MARKER).mkdir()
    with pytest.raises(SourceError) as refused:
        build(tmp_path, scale=0.01)
    assert refused.value.id == "DEMO-NOT-WRITTEN"
    assert str(tmp_path) in refused.value.message


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_a_scale_that_is_not_a_positive_number_is_refused(scale: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        build(tmp_path / "demo", scale=scale)
    assert refused.value.id == "DEMO-SCALE"
    assert not (tmp_path / "demo").exists()
