"""Folders that hold rows are closed to others, but not to a server that keeps its data below them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from migrator_tui.locations import make_private_folder


@pytest.mark.parametrize(("before", "after"), [(None, 0o700), (0o700, 0o700), (0o711, 0o711), (0o755, 0o711)])
def test_a_private_folder_is_closed_and_stays_passable_where_it_was(
    tmp_path: Path, before: int | None, after: int
) -> None:
    folder = tmp_path / "home"
    if before is not None:
        folder.mkdir()
        folder.chmod(before)
    make_private_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == after
