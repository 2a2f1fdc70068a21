"""A value finds a file below the uploads folder, and never one outside of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator_tui.supabase.upload_folder import LocalFile, UploadFolder, Why, mime_of


@pytest.fixture
def folder(tmp_path: Path) -> UploadFolder:
    root = tmp_path / "uploads"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b.txt").write_text("inside")
    (root / "Ü #1 100%?.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "c.txt").write_text("outside")
    return UploadFolder(root)


@pytest.mark.parametrize("path", ["a/b.txt", "Ü #1 100%?.txt", "./a/b.txt", "a//b.txt"])
def test_a_file_below_the_folder_is_found_whatever_it_is_named(folder: UploadFolder, path: str) -> None:
    found = folder.find(path)
    assert isinstance(found, LocalFile)
    with folder.open(path) as body:
        assert body.read() == b"inside"


@pytest.mark.parametrize(
    "path", ["../secret.txt", "a/../../secret.txt", "/etc/passwd", "a/../a/b.txt", "..\\secret.txt"]
)
def test_a_path_that_climbs_or_begins_at_the_root_is_outside(folder: UploadFolder, path: str) -> None:
    assert folder.find(path) is Why.OUTSIDE


@pytest.mark.parametrize("path", ["", "none.txt", "a/b.txt/c", "a\x00b", "x" * 400, "a/" * 3000])
def test_a_path_without_a_file_is_missing(folder: UploadFolder, path: str) -> None:
    assert folder.find(path) in (Why.MISSING, Why.NOT_A_FILE)


def test_a_link_out_of_the_folder_is_outside_and_one_within_is_followed(folder: UploadFolder) -> None:
    (folder.root / "out.txt").symlink_to(folder.root.parent / "secret.txt")
    (folder.root / "out").symlink_to(folder.root.parent / "other")
    (folder.root / "within.txt").symlink_to(folder.root / "a" / "b.txt")
    (folder.root / "gone.txt").symlink_to(folder.root / "nothing")
    (folder.root / "round.txt").symlink_to(folder.root / "round.txt")
    assert folder.find("out.txt") is Why.OUTSIDE
    assert folder.find("out/c.txt") is Why.OUTSIDE
    assert isinstance(folder.find("within.txt"), LocalFile)
    assert folder.find("gone.txt") is Why.MISSING
    assert not isinstance(folder.find("round.txt"), LocalFile)
    assert list(folder.walk()) == ["within.txt", "Ü #1 100%?.txt", "a/b.txt"]


def test_a_link_that_takes_a_found_files_place_is_not_opened(folder: UploadFolder) -> None:
    assert isinstance(folder.find("a/b.txt"), LocalFile)
    (folder.root / "a" / "b.txt").unlink()
    (folder.root / "a" / "b.txt").symlink_to(folder.root.parent / "secret.txt")
    with pytest.raises(FileNotFoundError):
        folder.open("a/b.txt")


def test_a_name_that_is_no_utf8_is_listed_so_that_it_can_be_told(folder: UploadFolder) -> None:
    (folder.root / os.fsdecode(b"caf\xe9.txt")).touch()
    (folder.root / "z").mkdir()
    (folder.root / "z" / "last.txt").touch()
    listed = list(folder.walk())
    assert listed == ["caf\ufffd.txt", "Ü #1 100%?.txt", "a/b.txt", "z/last.txt"]
    assert "".join(listed).encode("utf-8")


def test_folders_and_pipes_are_no_files(folder: UploadFolder) -> None:
    os.mkfifo(folder.root / "pipe")
    assert folder.find("a") is Why.NOT_A_FILE
    assert folder.find("pipe") is Why.NOT_A_FILE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("./\\ab\x00~ü:", max_size=20))
def test_no_value_leads_out_of_the_folder(folder: UploadFolder, path: str) -> None:
    found = folder.find(path)
    if isinstance(found, LocalFile):
        with folder.open(path) as body:
            assert body.read() == b"inside"


@pytest.mark.parametrize(
    ("path", "mime"),
    [
        ("a.pdf", "application/pdf"),
        ("A.PNG", "image/png"),
        ("a", "application/octet-stream"),
        ("a.tar.gz", "application/octet-stream"),
    ],
)
def test_a_files_type_is_told_by_its_name(path: str, mime: str) -> None:
    assert mime_of(path) == mime
