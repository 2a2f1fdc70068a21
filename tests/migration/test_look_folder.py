"""Folders of snapshots that are only looked at: none outlives its process for long, and none is taken from another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from migrator_tui import locations
from migrator_tui.migration.look_folder import PREFIX, LookFolder

HOLDING = """
import sys
from migrator_tui.migration.look_folder import LookFolder
folder = LookFolder()
(folder.path / "source.db").write_text("rows of somebody")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(locations.HOME_VARIABLE, str(tmp_path / "home"))


def folders() -> set[Path]:
    return set(locations.home().glob(f"{PREFIX}*"))


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_not_before_it_was_killed() -> None:
    words = [sys.executable, "-c", HOLDING]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        first = LookFolder()
        assert folders() == {theirs, first.path}
        other.kill()
        other.wait()
    second = LookFolder()
    assert folders() == {first.path, second.path}, "and not one of this process"
    first.close()
    second.close()
    assert folders() == set()


def test_the_folder_is_private_and_goes_with_its_block() -> None:
    with LookFolder.open() as path:
        (path / "source.db").write_text("rows")
        assert path.stat().st_mode & 0o777 == locations.PRIVATE_FOLDER
    assert not path.exists()
