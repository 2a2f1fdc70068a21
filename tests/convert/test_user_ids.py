"""Ids of users become UUIDs of Supabase Auth: the same every time, each its own, and back by the map."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.convert.codecs import CodecError, codec, encode, exists, with_matched
from migrator_tui.convert.user_ids import GivenBack, Matched, codec_name, namespace_of, user_id

NAMESPACE = str(uuid5(NAMESPACE_URL, "file:///srv/shop.db#users"))
OF_INTEGER, OF_TEXT = codec(codec_name(NAMESPACE)), codec(codec_name(NAMESPACE, of_text=True))
INTEGERS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=40)
TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8")) | st.uuids().map(str), max_size=40)


def uuids(array: pa.Array) -> list[UUID | None]:
    return [None if value is None else UUID(bytes=value) for value in array.to_pylist()]


@given(INTEGERS)
def test_an_integer_becomes_the_uuid_of_its_digits_and_null_stays(values: list[int | None]) -> None:
    made = uuids(encode(OF_INTEGER, pa.array(values, pa.int64())))
    assert made == [None if value is None else uuid5(UUID(NAMESPACE), str(value)) for value in values]


@given(TEXTS)
def test_a_text_becomes_its_uuid_or_stays_the_one_that_it_is_and_no_two_become_one(values: list[str | None]) -> None:
    made = uuids(encode(OF_TEXT, pa.array(values, pa.string())))
    for value, uuid in zip(values, made, strict=True):
        if value is None:
            assert uuid is None
        elif namespace_of(f"user-uuid:{value}") and UUID(value).int:
            assert str(uuid) == value
        else:
            assert uuid == uuid5(UUID(NAMESPACE), value)
    assert len(set(made)) == len(set(values))
    assert [None if v is None else user_id(NAMESPACE, v) for v in values] == made


@given(TEXTS)
def test_the_map_gives_every_id_back_and_nothing_for_others(values: list[str | None]) -> None:
    sent = encode(OF_TEXT, pa.array(values, pa.string()))
    back = GivenBack({user_id(NAMESPACE, value): value for value in values if value is not None})
    assert back.of(sent).to_pylist() == values
    assert back.of(pa.array([uuid4().bytes], pa.binary(16))).to_pylist() == [None]


def test_integers_and_texts_of_the_same_digits_are_the_same_user() -> None:
    assert encode(OF_INTEGER, pa.array([7, None, -1])).equals(encode(OF_TEXT, pa.array(["7", None, "-1"])))


def test_the_nil_uuid_and_other_spellings_are_hashed_like_any_text() -> None:
    upper = str(uuid4()).upper()
    nil = str(UUID(int=0))
    made = uuids(encode(OF_TEXT, pa.array([nil, upper])))
    assert made == [uuid5(UUID(NAMESPACE), nil), uuid5(UUID(NAMESPACE), upper)]


def test_users_who_were_there_already_keep_their_uuids() -> None:
    theirs = uuid4()
    made = with_matched(OF_INTEGER, Matched({"2": str(theirs)}))
    assert uuids(encode(made, pa.array([1, 2, None, 2]))) == [user_id(NAMESPACE, "1"), theirs, None, theirs]
    assert uuids(encode(with_matched(OF_INTEGER, Matched({})), pa.array([2]))) == [user_id(NAMESPACE, "2")]


def test_two_source_projects_give_their_users_different_uuids() -> None:
    other = str(uuid5(NAMESPACE_URL, "file:///srv/blog.db#users"))
    assert user_id(NAMESPACE, "1") != user_id(other, "1")


def test_a_text_that_is_no_utf_8_is_refused() -> None:
    values = pa.array([b"ok", b"\xff"], pa.binary()).view(pa.string())
    with pytest.raises(CodecError):
        encode(OF_TEXT, values)


@pytest.mark.parametrize("name", ["user-uuid", "user-uuid:", "user-uuid:x", f"user-uuid-of-text:{NAMESPACE.upper()}"])
def test_a_name_without_a_canonical_namespace_is_no_codec(name: str) -> None:
    assert not exists(name)
    assert namespace_of(name) is None
