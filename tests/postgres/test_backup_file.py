"""The file of a backup: what was written comes back, and what was altered, cut or opened by another key is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.model.errors import BackupError
from migrator_tui.postgres import backup_file
from migrator_tui.postgres.backup_file import OpeningKey, Writer, key_of_text, key_text, new_key, read_header, records

CHEAP = (2, 8, 1)
KEY = OpeningKey("keyring", new_key(), "here")
PASSPHRASE = OpeningKey("passphrase", b"correct horse")
RECOVERY = OpeningKey("recovery", new_key())


def written(parts: list[tuple[bytes, bytes]], *keys: OpeningKey) -> bytes:
    sink = io.BytesIO()
    writer = Writer(sink, id="b1", created="2026-11-23T00:00:00+00:00", keys=keys or (KEY,), scrypt=CHEAP)
    for kind, payload in parts:
        writer.record(kind, payload)
    writer.finish()
    return sink.getvalue()


def read(data: bytes, *keys: OpeningKey) -> list[tuple[bytes, bytes]]:
    source = io.BytesIO(data)
    header = read_header(source)
    return list(records(source, header, backup_file.unwrap(header, iter(keys or (KEY,)))))


SMALL = written([(b"S", b"schema"), (b"D", bytes(range(256)) * 4), (b"M", b"{}")], PASSPHRASE, RECOVERY, KEY)


@given(st.lists(st.tuples(st.sampled_from([b"S", b"D"]), st.binary(max_size=2000)), max_size=8))
def test_records_come_back_as_they_were(parts: list[tuple[bytes, bytes]]) -> None:
    assert read(written(parts)) == parts


def test_records_longer_than_a_chunk_come_back_as_they_were() -> None:
    parts = [(b"D", os.urandom(backup_file.CHUNK * 2 + extra)) for extra in (-1, 0, 1)]
    data = written(parts)
    assert read(data) == parts
    sealed = backup_file.CHUNK + backup_file.TAG
    header = len(data) - len(data) // sealed * sealed
    start = io.BytesIO(data)
    read_header(start)
    begins = start.tell()
    first, second = data[begins : begins + sealed], data[begins + sealed : begins + 2 * sealed]
    rest = data[begins + 2 * sealed :]
    assert header
    for forged in (second + first + rest, first + rest, first + first + second + rest, first + second):
        with pytest.raises(BackupError) as refused:
            read(data[:begins] + forged)
        assert refused.value.id == "BACKUP-ALTERED"


@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_any_altered_byte_is_refused(at: int, by: int) -> None:
    altered = bytearray(SMALL)
    altered[at] ^= by
    with pytest.raises(BackupError) as refused:
        read(bytes(altered), KEY)
    assert refused.value.id in ("BACKUP-ALTERED", "BACKUP-NOT-ONE")
    assert "\n" not in refused.value.message


@given(st.integers(0, len(SMALL) - 1))
def test_a_file_cut_at_any_length_is_refused(length: int) -> None:
    with pytest.raises(BackupError) as refused:
        read(SMALL[:length], KEY)
    assert refused.value.id in ("BACKUP-ALTERED", "BACKUP-NOT-ONE")


@given(st.binary(min_size=1, max_size=100))
def test_anything_behind_the_end_is_refused(more: bytes) -> None:
    with pytest.raises(BackupError):
        read(SMALL + more)


@pytest.mark.parametrize("key", [KEY, PASSPHRASE, RECOVERY], ids=lambda key: key.kind)
def test_each_of_its_keys_opens_it_and_another_does_not(key: OpeningKey) -> None:
    assert read(SMALL, key)[0] == (b"S", b"schema")
    other = OpeningKey(key.kind, b"wrong" if key.kind == "passphrase" else new_key())
    with pytest.raises(BackupError) as refused:
        read(SMALL, other)
    assert refused.value.id == "BACKUP-KEY"
    assert read(SMALL, other, key)


def test_no_further_key_is_asked_for_once_one_opened_it() -> None:
    def keys() -> Iterator[OpeningKey]:
        yield KEY
        raise AssertionError("asked")

    source = io.BytesIO(SMALL)
    assert backup_file.unwrap(read_header(source), keys())


def test_a_recovery_key_is_read_as_it_was_written_down() -> None:
    key = new_key()
    assert key_of_text(key_text(key).lower().replace("-", " ")) == key
    with pytest.raises(BackupError):
        key_of_text(key_text(key)[:-2])


def test_a_key_does_not_show_itself() -> None:
    assert "horse" not in repr(PASSPHRASE)


def test_a_header_that_asks_for_all_memory_is_refused() -> None:
    source = io.BytesIO(SMALL)
    header = read_header(source)
    greedy = {**header.keys[0], "n": 1 << 30}
    forged = backup_file.Header(header.id, header.created, (greedy,), header.prefix, header.raw)
    with pytest.raises(BackupError) as refused:
        backup_file.unwrap(forged, iter([PASSPHRASE]))
    assert refused.value.id == "BACKUP-ALTERED"


def test_what_is_in_it_is_neither_readable_nor_uncompressed() -> None:
    data = written([(b"D", b"all the same words " * 100_000)])
    assert b"same words" not in data
    assert len(data) < 20_000
