"""Fixtures of the tests of faults: sources, the proxy, and runs that are watched while they are at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.request import Request
from migrator_tui.migration.run import begin
from migrator_tui.migration.runner import Runner
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.postgres.connect import Target
from tests.faults.observing import build_source
from tests.faults.proxy import Proxy
from tests.migration.running import Engine, Failpoint


@dataclass(frozen=True, slots=True)
class Watched:
    """A run under way."""

    run: str
    runner: Runner

    def end(self) -> RunOutcome:
        """Wait for its outcome."""
        outcome = self.runner.wait()
        assert outcome is not None
        return outcome


Start = Callable[..., Watched]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 3,000 rows; with chunks of 4096 bytes some 150 of them."""
    return build_source(tmp_path_factory.mktemp("small") / "small.db", 2_000)


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 14 MiB, 16 chunks of the least size that a configuration file may ask for."""
    return build_source(tmp_path_factory.mktemp("wide") / "wide.db", 5_000, width=2_400)


@pytest.fixture
def proxy(target: Target) -> Iterator[Proxy]:
    """A proxy in front of the fresh database."""
    with Proxy(target) as proxy:
        yield proxy


@pytest.fixture
def engine() -> Engine:
    """Begins, resumes, crashes and rolls back runs."""
    return Engine()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts runs with small chunks and gives them back while they are at work."""
    started: list[Watched] = []

    def go(source: Path, target: Target, *, failpoint: Failpoint = lambda name: None, **asked: Any) -> Watched:
        request = Request(source, **({"accept_recommended": True, "chunk_bytes": 4096} | asked))
        folder = begin(request, target)
        watched = Watched(folder.run, Runner(folder.run, Migration(request, target, folder, failpoint=failpoint)))
        started.append(watched)
        watched.runner.start()
        return watched

    yield go
    for watched in started:
        watched.runner.cancel()
        watched.runner.wait(30)
