from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.migration.audit import GENESIS, Anchor, AuditError, AuditState, AuditTrail, read, verify
from migrator_tui.model.progress import Stage
from migrator_tui.model.secret import Secret

CANARY = "canary-7f3a"


def trail_of(path: Path, count: int, *, actor: str = "ann@laptop") -> Anchor:
    with AuditTrail(path, "20261122-221500-k3f9", actor) as trail:
        for number in range(count):
            trail.record("chunk.commit", table="users", seq=number, note='a "quoted" é\n\0')
        return trail.anchor


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Anchor]:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    anchor = trail_of(path, 5)
    return path.read_bytes(), anchor


def verdict_on(content: bytes, anchor: Anchor | None) -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        path.write_bytes(content)
        return verify(path, anchor)


def test_a_trail_is_intact_with_and_without_its_anchor(written: tuple[bytes, Anchor]) -> None:
    content, anchor = written
    for given_anchor in (None, anchor, (0, GENESIS)):
        verdict = verdict_on(content, given_anchor)
        assert (verdict.state, verdict.events, verdict.head, verdict.ok) == (AuditState.INTACT, 5, anchor[1], True)
    assert verdict_on(content, anchor).message == "5 events intact, anchored at event 5."


def test_an_event_has_the_fields_that_readers_rely_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditTrail(path, "r", "ann@laptop") as trail:
        moment = datetime(2026, 11, 22, tzinfo=UTC)
        assert (
            trail.record("a.b", path=Path("x"), stage=Stage.PUBLISH, at=moment, n=[1, 2.5, None, True]) == trail.anchor
        )
    (event,) = read(path)
    assert set(event) == {"seq", "ts", "run", "actor", "event", "data", "prev", "hash"}
    assert (event["seq"], event["run"], event["actor"], event["event"]) == (1, "r", "ann@laptop", "a.b")
    assert event["data"] == {
        "path": "x",
        "stage": "publish",
        "at": "2026-11-22T00:00:00+00:00",
        "n": [1, 2.5, None, True],
    }
    assert event["prev"] == GENESIS
    assert path.stat().st_mode & 0o077 == 0


@given(st.data())
def test_any_byte_that_is_changed_is_found_at_its_event(written: tuple[bytes, Anchor], data: st.DataObject) -> None:
    content, anchor = written
    position = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[position] ^= data.draw(st.integers(1, 255))
    for given_anchor in (None, anchor):
        verdict = verdict_on(bytes(changed), given_anchor)
        assert (verdict.state, verdict.ok) == (AuditState.ALTERED, False)
        assert verdict.at == content[:position].count(b"\n") + 1
        assert verdict.events == verdict.at - 1


@given(st.integers(0, 3))
def test_a_line_that_is_left_out_is_found(written: tuple[bytes, Anchor], index: int) -> None:
    lines = written[0].splitlines(keepends=True)
    verdict = verdict_on(b"".join(lines[:index] + lines[index + 1 :]), None)
    assert (verdict.state, verdict.at) == (AuditState.ALTERED, index + 1)
    assert f"event {index + 2} is in its place" in verdict.message


@given(st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_lines_that_change_places_are_found(written: tuple[bytes, Anchor], order: list[int]) -> None:
    lines = written[0].splitlines(keepends=True)
    verdict = verdict_on(b"".join(lines[i] for i in order), None)
    first = next(i for i in range(5) if order[i] != i)
    assert (verdict.state, verdict.at) == (AuditState.ALTERED, first + 1)


@given(st.integers(0, 4))
def test_a_repeated_line_is_found(written: tuple[bytes, Anchor], index: int) -> None:
    lines = written[0].splitlines(keepends=True)
    verdict = verdict_on(b"".join(lines[: index + 1] + lines[index:]), written[1])
    assert (verdict.state, verdict.at) == (AuditState.ALTERED, index + 2)


@given(st.integers(0, 4))
def test_lines_gone_from_the_end_are_found_by_the_anchor_alone(written: tuple[bytes, Anchor], left: int) -> None:
    content, anchor = written
    shorter = b"".join(content.splitlines(keepends=True)[:left])
    assert verdict_on(shorter, None).state is AuditState.INTACT
    verdict = verdict_on(shorter, anchor)
    assert (verdict.state, verdict.events) == (AuditState.TRUNCATED, left)
    assert verdict.message == f"Truncated: {left} of the 5 events that were anchored are there."


@given(st.data())
def test_a_line_cut_short_is_a_crash_unless_the_anchor_had_it(
    written: tuple[bytes, Anchor], data: st.DataObject
) -> None:
    content, anchor = written
    lines = content.splitlines(keepends=True)
    before = len(content) - len(lines[-1])
    cut = data.draw(st.integers(before + 1, len(content) - 1))
    torn = verdict_on(content[:cut], (4, json.loads(lines[3])["hash"]))
    assert (torn.state, torn.events, torn.ok) == (AuditState.TORN, 4, True)
    assert verdict_on(content[:cut], None).state is AuditState.TORN
    assert verdict_on(content[:cut], anchor).state is AuditState.TRUNCATED


def test_a_chain_that_was_stamped_anew_is_found_by_the_anchor_alone(
    tmp_path: Path, written: tuple[bytes, Anchor]
) -> None:
    forged = tmp_path / "audit.jsonl"
    trail_of(forged, 5, actor="mallory@laptop")
    assert verify(forged).state is AuditState.INTACT
    verdict = verify(forged, written[1])
    assert (verdict.state, verdict.ok) == (AuditState.ANCHOR_MISMATCH, False)


def test_a_missing_trail_is_told_apart_from_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert verify(path, (5, "x")).state is AuditState.MISSING
    assert read(path) == []
    path.touch()
    assert verify(path).state is AuditState.INTACT
    assert verify(path, (5, "x")).state is AuditState.TRUNCATED


def test_events_after_the_anchor_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    anchor = trail_of(path, 3)
    later = trail_of(path, 2)
    assert later[0] == 5
    assert verify(path, anchor).state is AuditState.INTACT
    assert verify(path, later).state is AuditState.INTACT


@given(st.data())
def test_a_torn_line_is_moved_aside_and_noted_when_the_trail_is_opened_again(
    written: tuple[bytes, Anchor], data: st.DataObject
) -> None:
    content = written[0]
    lines = content.splitlines(keepends=True)
    cut = data.draw(st.integers(len(content) - len(lines[-1]) + 1, len(content) - 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        path.write_bytes(content[:cut])
        with AuditTrail(path, "r", "ann@laptop") as trail:
            trail.record("run.resume")
            assert trail.anchor[0] == 6
        assert (path.with_name("audit.jsonl.torn")).read_bytes() == content[len(content) - len(lines[-1]) : cut] + b"\n"
        events = [event["event"] for event in read(path)]
        assert events == ["chunk.commit"] * 4 + ["audit.torn-tail", "run.resume"]
        assert verify(path, (4, json.loads(lines[3])["hash"])).state is AuditState.INTACT


def test_threads_that_record_at_once_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditTrail(path, "r", "a") as trail:
        threads = [threading.Thread(target=lambda: [trail.record("x", n=n) for n in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        anchor = trail.anchor
    assert anchor[0] == 40
    assert verify(path, anchor).state is AuditState.INTACT


def test_a_second_writer_continues_where_the_first_one_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditTrail(path, "r", "one") as one, AuditTrail(path, "r", "two") as two:
        one.record("a")
        two.record("b")
        one.record("c")
    assert [(event["seq"], event["actor"]) for event in read(path)] == [(1, "one"), (2, "two"), (3, "one")]
    assert verify(path).state is AuditState.INTACT


@pytest.mark.parametrize("data", [{"password": Secret(CANARY)}, {"a": [{"b": Secret(CANARY)}]}, {"a": object()}])
def test_a_secret_is_refused_and_nothing_is_written(tmp_path: Path, data: dict[str, Any]) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditTrail(path, "r", "a") as trail:
        with pytest.raises(TypeError) as caught:
            trail.record("x", **data)
        assert trail.anchor == (0, GENESIS)
    assert CANARY not in str(caught.value)
    assert path.read_bytes() == b""


def test_a_trail_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AuditError) as caught:
        AuditTrail(tmp_path / "none" / "audit.jsonl", "r", "a")
    assert caught.value.id == "AUDIT-WRITE"
    assert "audit.jsonl" in caught.value.message
    trail = AuditTrail(tmp_path / "audit.jsonl", "r", "a")
    trail.close()
    trail.close()
    with pytest.raises(AuditError):
        trail.record("x")
    with pytest.raises(AuditError) as caught:
        verify(tmp_path)
    assert caught.value.id == "AUDIT-READ"


scalars = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.dictionaries(st.text(), st.recursive(scalars, st.lists, max_leaves=5)))
def test_whatever_the_data_the_chain_verifies(data: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        with AuditTrail(path, "r", "a") as trail:
            trail.record("x", data=data)
            anchor = trail.anchor
        assert verify(path, anchor).state is AuditState.INTACT
        assert read(path)[0]["data"] == {"data": data}
