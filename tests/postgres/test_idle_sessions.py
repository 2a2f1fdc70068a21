"""Sessions that one step leaves and the next takes."""

from __future__ import annotations

import pytest

from migrator_tui.postgres.idle_sessions import TRUSTED_FOR, IdleSessions


def test_a_session_is_taken_by_one_and_ended_once() -> None:
    ended: list[str] = []
    idle = IdleSessions(2, ended.append)
    for name in "abc":
        idle.leave(name)
    assert ended == ["c"], "beyond what is kept"
    assert (idle.take(), idle.take(), idle.take()) == ("b", "a", None)
    idle.leave("a")
    idle.end_all()
    idle.leave("d")
    assert (ended, idle.take()) == (["c", "a"], "d")
    idle.close()
    idle.leave("d")
    assert (ended, idle.take()) == (["c", "a", "d"], None)


def test_a_session_that_nobody_used_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    idle = IdleSessions(2, ended.append)
    now = 100.0
    monkeypatch.setattr("migrator_tui.postgres.idle_sessions.time.monotonic", lambda: now)
    idle.leave("a")
    now += TRUSTED_FOR
    idle.leave("b")
    assert (idle.take(), idle.take(), ended) == ("b", None, ["a"])
