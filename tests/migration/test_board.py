"""The board that a run tells its progress on."""

from __future__ import annotations

from migrator_tui.migration.board import Board
from migrator_tui.model.progress import TableState


def test_tables_that_are_begun_anew_leave_the_lines_beside_them_as_they_are() -> None:
    board = Board("20261129-000000-aaaa")
    board.set_tables(())
    board.set_beside("files: avatars", "storage/avatars", 3, unit="files")
    board.add("files: avatars", rows=3)

    board.set_tables(())
    board.set_table("files: avatars", TableState.CHECKING)

    (line,) = board.snapshot().tables
    assert (line.source, line.rows_done, line.state) == ("files: avatars", 3, TableState.CHECKING)
