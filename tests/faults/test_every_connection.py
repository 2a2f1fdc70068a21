"""Connections of a run that are turned away one by one, and cancels at every step on a link that answers nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target
from tests.faults.conftest import Start
from tests.faults.observing import Connection, until
from tests.faults.proxy import Proxy
from tests.faults.sample_of_everything import Difference, build_sample, difference, of_source
from tests.migration.running import Engine, fingerprint, leftovers, succeeded, text

Role = Callable[..., Target]
DECIDED = Decisions((FindingDecision("VALUE-NUL", "quarantine", "visits", "note"),))
SAME = Difference(0, 0)
MOMENTS = [
    "snapshot",
    "staging",
    "staged",
    "checked",
    "publish-locked",
    "publish-merged",
    "publish-moved",
    "publish-compared",
    "publish-commit",
    "published",
]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 rows of every kind of table, one of which is to be quarantined."""
    return build_sample(tmp_path_factory.mktemp("sample") / "sample.db", 3_000)


@pytest.mark.parametrize("number", [1, 2])
def test_any_one_connection_may_be_turned_away(
    proxy: Proxy, sample: Path, engine: Engine, db: Connection, number: int
) -> None:
    def turn_away(name: str) -> None:
        if name == "snapshot":
            proxy.turn_away(number)

    succeeded(engine.migrate(sample, proxy.target(), failpoint=turn_away, decisions=DECIDED, workers=1))
    assert proxy.turned_away == 1
    assert difference(of_source(sample), db) == SAME
    assert leftovers(db) == set()


def test_sessions_that_end_between_two_steps_are_made_again(
    proxy: Proxy, sample: Path, engine: Engine, db: Connection
) -> None:
    cut = []

    def cut_all(name: str) -> None:
        if name not in cut:
            cut.append(name)
            proxy.cut()

    succeeded(engine.migrate(sample, proxy.target(), failpoint=cut_all, decisions=DECIDED))
    assert set(MOMENTS) <= set(cut)
    assert difference(of_source(sample), db) == SAME
    assert leftovers(db) == set()


@pytest.mark.parametrize("at", MOMENTS)
def test_a_cancel_at_any_moment_does_not_wait_for_a_link_that_answers_nothing(
    proxy: Proxy, target: Target, sample: Path, start: Start, engine: Engine, db: Connection, at: str
) -> None:
    def hold(name: str) -> None:
        if name == at:
            proxy.hold_after(1)

    run = start(sample, proxy.target(), failpoint=hold, chunk_bytes=16_384, decisions=DECIDED)
    until(proxy.holding.is_set, "the link to answer nothing any more")
    run.runner.cancel()
    until(lambda: run.runner.outcome() is not None, f"the end of the run, cancelled at {at}")
    assert run.end().status is RunStatus.INTERRUPTED
    assert proxy.holding.is_set()
    succeeded(engine.resume(run.run, target))
    assert difference(of_source(sample), db) == SAME
    assert leftovers(db) == set()


def test_a_rollback_whose_answers_are_lost_takes_the_run_back_once(
    proxy: Proxy, sample: Path, engine: Engine, db: Connection
) -> None:
    before = fingerprint(db)
    run = succeeded(engine.migrate(sample, proxy.target(), decisions=DECIDED)).run
    # Those of taking the run over, twice, of undoing, and of what comes after it.
    proxy.swallow_commits(4)
    assert engine.rollback(run, proxy.target()).status is RunStatus.ROLLED_BACK
    assert proxy.swallowed == 4
    assert fingerprint(db) == before
    assert leftovers(db) == set()


def test_a_password_that_is_no_longer_right_is_tried_once_and_the_run_goes_on_with_the_new_one(
    proxy: Proxy, target: Target, sample: Path, start: Start, engine: Engine, role: Role, db: Connection
) -> None:
    member = role(f"GRANT CREATE ON DATABASE {target.database}", "GRANT CREATE ON SCHEMA public")
    attempts: list[int] = []

    def change(name: str) -> None:
        if name == "staging":
            db.execute(text(f"ALTER ROLE {member.user} PASSWORD 'another'"))
            attempts.append(proxy.accepted)

    run = start(sample, proxy.target(member), failpoint=change, decisions=DECIDED)
    outcome = run.end()
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "TARGET-PASSWORD"
    assert proxy.accepted == attempts[0] + 1

    # With the new one the run goes on.
    succeeded(engine.resume(run.run, member.with_password(Secret("another"))))
    assert difference(of_source(sample), db) == SAME
