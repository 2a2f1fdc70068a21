from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from migrator_tui.model.errors import ConnectionLost, FenceLost, TargetError
from migrator_tui.model.profile import Chunk
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.ledger import ChunkRow, Fence
from migrator_tui.postgres.load import Loader, QuarantinedRow

Connection = psycopg.Connection[Any]
SCHEMA = pa.schema([("_mt_src", pa.int64()), ("v", pa.string())])
CHUNK = Chunk(seq=0, lo=1, hi=4, rows=4, bytes=99)
LEFT = QuarantinedRow(4, "id=4", "VALUE-NUL", "it's NUL", {"v": ("text", b"a\0\xff"), "n": ("null", None)})


def batches(*rows: tuple[int, str | None]) -> Iterator[pa.RecordBatch]:
    for number, text in rows:
        yield pa.record_batch([[number], [text]], schema=SCHEMA)


@pytest.fixture
def fence(db: Connection) -> Fence:
    ledger.install(db)
    db.execute('CREATE SCHEMA stage; CREATE TABLE stage."t %" (_mt_src bigint, v text)')
    return ledger.create_run(db, "r1", "0" * 64, "here")


@pytest.fixture
def loader(target: Target, fence: Fence) -> Iterator[Loader]:
    loader = Loader(target, fence, "stage")
    yield loader
    loader.close()


def staged(db: Connection) -> list[Any]:
    return db.execute('SELECT * FROM stage."t %" ORDER BY 1').fetchall()


def load(loader: Loader, rows: Iterator[pa.RecordBatch], left: tuple[QuarantinedRow, ...] = ()) -> ChunkRow:
    return loader.load("t", "t %", CHUNK, rows, SCHEMA, left)


THREE = ((1, "a"), (2, None), (3, "ü"))


def test_a_chunk_commits_with_its_ledger_row_and_its_quarantine(db: Connection, loader: Loader) -> None:
    done = load(loader, batches(*THREE), (LEFT,))

    assert done == ChunkRow("t", 0, 1, 4, 3, 1, 99)
    assert ledger.chunks(db, "r1") == {"t": {0: done}}
    assert staged(db) == list(THREE)
    ((key, finding, reason, cells),) = db.execute(
        "SELECT row_key, finding, reason, cells FROM migrator.quarantine"
    ).fetchall()
    assert (key, finding, reason) == ("id=4", "VALUE-NUL", "it's NUL")
    assert cells == json.loads(LEFT.cells_json())
    assert base64.b64decode(cells["v"][1]) == b"a\0\xff"
    assert cells["n"] == ["null", None]


def test_a_chunk_that_was_committed_before_is_not_loaded_again(db: Connection, loader: Loader) -> None:
    first = load(loader, batches(*THREE), (LEFT,))

    assert load(loader, batches(*THREE), (LEFT,)) == first
    assert staged(db) == list(THREE)


def test_what_the_batches_raise_ends_the_load_and_leaves_nothing(db: Connection, loader: Loader) -> None:
    class Stop(Exception):
        pass

    def stopping() -> Iterator[pa.RecordBatch]:
        yield from batches((1, "a"))
        raise Stop

    with pytest.raises(Stop):
        load(loader, stopping(), (LEFT,))

    assert (staged(db), ledger.chunks(db, "r1"), ledger.quarantined_rows(db, "r1")) == ([], {}, {})
    assert load(loader, batches(*THREE), (LEFT,)).staged_rows == 3, "the connection can be used again"


def test_too_few_rows_are_refused(db: Connection, loader: Loader) -> None:
    with pytest.raises(TargetError) as caught:
        load(loader, batches(*THREE))

    assert caught.value.id == "STAGE-COUNT"
    assert "should give 4 rows, but 3 were sent" in caught.value.message
    assert (staged(db), ledger.chunks(db, "r1")) == ([], {})


def test_a_worker_whose_run_was_taken_over_writes_nothing(db: Connection, loader: Loader, fence: Fence) -> None:
    db.execute("UPDATE migrator.run SET fence = fence + 1")

    with pytest.raises(FenceLost):
        load(loader, batches(*THREE), (LEFT,))

    assert (staged(db), ledger.chunks(db, "r1")) == ([], {})


def test_a_backend_that_was_ended_is_a_lost_connection(db: Connection, loader: Loader) -> None:
    db.execute("SELECT pg_terminate_backend(%s, 10000)", (loader.backend_pid,))

    with pytest.raises(ConnectionLost):
        load(loader, batches(*THREE), (LEFT,))

    assert (staged(db), ledger.chunks(db, "r1")) == ([], {})


def test_what_the_server_refuses_names_the_table(db: Connection, loader: Loader) -> None:
    db.execute("ALTER TABLE stage.\"t %\" ADD CHECK (v <> 'a')")

    with pytest.raises(TargetError) as caught:
        load(loader, batches(*THREE), (LEFT,))

    assert caught.value.message.startswith("t: ")
    assert caught.value.sqlstate == "23514"
    assert (staged(db), ledger.chunks(db, "r1")) == ([], {})


def test_a_row_that_fits_no_page_says_what_can_be_done(db: Connection, loader: Loader) -> None:
    names = ["_mt_src", *(f"c{n}" for n in range(1100))]
    db.execute(f"CREATE TABLE stage.wide ({', '.join(f'{name} bigint' for name in names)})".encode())
    row = pa.record_batch([[1]] * len(names), names=names)

    with pytest.raises(TargetError, match="row is too big") as raised:
        loader.load("w", "wide", Chunk(0, 1, 1, 1, 1), iter([row]), row.schema, ())

    assert raised.value.id == "TARGET-ROW-SIZE"
    assert "Leave columns behind" in raised.value.hint
