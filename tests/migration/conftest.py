"""Fixtures of the engine's tests: a source built on the spot, and runs held to the row equation."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migration.running import Engine, build

MakeSource = Callable[..., Path]


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """Builds a SQLite file of a script, or of a function that is given the connection."""

    def make(source: str | Callable[[sqlite3.Connection], object], name: str = "source.db") -> Path:
        return build(tmp_path / name, source)

    return make


@pytest.fixture
def engine() -> Engine:
    """Begins, resumes, crashes and rolls back runs."""
    return Engine()
