from __future__ import annotations

import json
import math
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from migrator_tui.convert.codecs import Codec, CodecError, codec, differences, encode, exists, same
from migrator_tui.convert.shapes import render
from migrator_tui.postgres.compare import Reader
from migrator_tui.postgres.connect import Target, connect, connect_adbc

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
WITHOUT_NUL = TEXTS.filter(lambda text: "\0" not in text)
MOMENTS = st.integers(-62135596800 + 86400, 253402300799 - 86400)


def moments(shape: str) -> st.SearchStrategy[str]:
    """Texts of a shape, as it is written."""
    digits = next((int(c) for c in shape.partition(".")[2][:1] if c.isdigit()), 0)
    unit = 60_000_000 if "minutes" in shape else 10 ** (6 - digits)
    kind = pa.timestamp("us", "UTC" if "+" in shape else None)
    low, high = -62135510400_000_000 // unit, 253402214399_000_000 // unit

    def written(number: int) -> str:
        array = pa.array([number * unit], pa.int64()).cast(kind)
        if shape.startswith("time"):
            array = pa.array([number * unit % 86_400_000_000], pa.int64()).cast(pa.time64("us"))
        if shape.startswith("date-") or shape == "iso-date":
            array = pa.array([number * unit // 86_400_000_000], pa.int32()).cast(pa.date32())
        return str(render(array, shape)[0].as_py())

    return st.integers(low, high).map(written)


def small_json() -> st.SearchStrategy[str]:
    leaves = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | WITHOUT_NUL
    trees = st.recursive(leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(WITHOUT_NUL, t, max_size=3))
    return trees.map(lambda value: json.dumps(value, ensure_ascii=False))


def decimals(precision: int, scale: int) -> st.SearchStrategy[float]:
    bound = 10 ** min(precision, 15) - 1
    return st.integers(-bound, bound).map(lambda n: n / 10**scale + 0.0)


SHAPES = (
    "timestamp:iso-datetime-space", "timestamp:iso-datetime-T", "timestamp:iso-datetime-space.3",
    "timestamp:iso-datetime-T.6", "timestamp:iso-datetime-minutes", "timestamp:iso-datetime-T-minutes",
    "timestamp:datetime-compact14", "timestamp:iso-date", "timestamptz:iso-datetime-T.3+Z",
    "timestamptz:iso-datetime-space+02:00", "timestamptz:iso-datetime-T.6-0530", "date:iso-date", "date:date-dmy-dots",
    "date:date-mdy-slash", "date:date-compact8", "time:time", "time:time-minutes", "time:time.3", "time:time.6",
)  # fmt: skip

LOSSLESS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "integer": ("bigint", INT64),
    "integer4": ("integer", st.integers(-(2**31), 2**31 - 1)),
    "integer2": ("smallint", st.integers(-(2**15), 2**15 - 1)),
    "integer-numeric": ("numeric", INT64),
    "real": ("double precision", FLOATS),
    "real-numeric": ("double precision", FLOATS),
    "real4": ("real", st.floats(width=32, allow_nan=False)),
    "text": ("text", WITHOUT_NUL),
    "blob": ("bytea", st.binary(max_size=9)),
    "blob-of-text": ("bytea", TEXTS),
    "boolean": ("boolean", st.sampled_from([0, 1])),
    "boolean:tf": ("boolean", st.sampled_from(["t", "f"])),
    "boolean:truefalse": ("boolean", st.sampled_from(["true", "false"])),
    "boolean:yesno": ("boolean", st.sampled_from(["yes", "no"])),
    "boolean:YN": ("boolean", st.sampled_from(["Y", "N"])),
    "boolean:onoff": ("boolean", st.sampled_from(["on", "off"])),
    "uuid": ("uuid", st.uuids().map(str)),
    "uuid:upper": ("uuid", st.uuids().map(lambda u: str(u).upper())),
    "uuid:hex": ("uuid", st.uuids().map(lambda u: u.hex)),
    "uuid-of-blob": ("uuid", st.uuids().map(lambda u: u.bytes)),
    "json": ("json", small_json()),
    "jsonb": ("jsonb", small_json()),
    "decimal(10,2)": ("numeric(10,2)", decimals(10, 2)),
    "decimal(38,10)": ("numeric", decimals(15, 10)),
    "decimal(5,0)": ("numeric(5,0)", decimals(5, 0)),
    "timestamptz:epoch-s": ("timestamptz", st.integers(-62_135_596_800, 253_402_300_799)),
    "timestamptz:epoch-ms": ("timestamptz", st.integers(-62_135_596_800_000, 253_402_300_799_999)),
    "timestamptz:epoch-us": ("timestamptz", st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)),
    "timestamptz:epoch-ns": ("timestamptz", st.integers(-(2**53), 2**53).map(lambda us: us * 1000)),
    "timestamptz:cocoa-ns": ("timestamptz", st.integers(-(2**53), 2**53).map(lambda us: us * 1000)),
    "timestamptz:cocoa": ("timestamptz", st.integers(-63_113_904_000, 252_423_993_599)),
    # Doubles of a moment's microseconds since 1970; Julian days are 40 microseconds apart.
    "timestamptz:real-epoch-s": ("timestamptz", st.integers(-(2**51), 2**51).map(lambda us: us / 1e6)),
    "timestamptz:real-cocoa": ("timestamptz", st.integers(-(2**51), 2**51).map(lambda us: us / 1e6)),
    "timestamp:real-julian": ("timestamp", st.floats(1_721_426.5, 5_373_484.49)),
    "timestamptz:webkit": ("timestamptz", st.integers(0, 265_046_774_399_999_999)),
} | {name: (name.partition(":")[0], moments(name.partition(":")[2])) for name in SHAPES}
ARROW = {"0": pa.int64(), "0.0": pa.float64(), "''": pa.string(), "x''": pa.binary()}


def bits(value: Any) -> Any:
    return struct.pack(">d", value) if isinstance(value, float) else value


@pytest.mark.parametrize("name", LOSSLESS)
@given(data=st.data())
def test_a_lossless_codec_gives_back_every_bit(name: str, data: st.DataObject) -> None:
    carried = codec(name)
    values = data.draw(st.lists(st.none() | LOSSLESS[name][1], max_size=8))
    array = pa.array(values, ARROW[carried.header])

    sent = encode(carried, array)

    assert carried.lossless
    assert carried.to_source is not None
    assert list(map(bits, carried.to_source(sent).to_pylist())) == list(map(bits, values))


@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_lossless_codec_survives_binary_copy(target: Target, data: st.DataObject) -> None:
    values = {name: data.draw(st.lists(st.none() | kind[1], min_size=5, max_size=5)) for name, kind in LOSSLESS.items()}
    carried: dict[str, Codec] = {name: codec(name) for name in LOSSLESS}
    sent = {name: encode(c, pa.array(values[name], ARROW[c.header])) for name, c in carried.items()}
    with connect(target) as connection:
        columns = ", ".join(f'"{name}" {kind}' for name, (kind, _) in LOSSLESS.items())
        connection.execute(f'DROP TABLE IF EXISTS t; CREATE TABLE t ("_mt_src" bigint, {columns})')
    batch = pa.record_batch([pa.array(range(5), pa.int64()), *sent.values()], names=["_mt_src", *sent])
    loading = connect_adbc(target)
    try:
        with loading.cursor() as cursor:
            assert cursor.adbc_ingest("t", batch, mode="append") == 5
        loading.commit()
    finally:
        loading.close()
    reader = Reader(target, "a-test")
    try:
        wanted = [(name, c.target_expression(name)) for name, c in carried.items()]
        found = reader.staged("public", "t", "_mt_src", wanted, 0, 9)
    finally:
        reader.close()

    for index, (name, c) in enumerate(carried.items(), start=1):
        expected = c.comparable(sent[name])
        got = c.normalise(found.column(index).combine_chunks())
        got = got.cast(expected.type) if got.type != expected.type else got
        assert differences(expected, got) == [], name


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("integer4", [1, 2**31], 1),
        ("integer2", [2**15], 0),
        ("real4", [0.5, 0.1], 1),
        ("decimal(10,2)", [1.25, 1.255], 1),
        ("decimal(10,2)", [-0.0], 0),
        ("decimal(4,2)", [1.0, 100.0], 1),
        ("boolean", [0, 1, 2], 2),
        ("boolean:tf", ["t", "F"], 1),
        ("uuid", ["c" * 36, None], 0),
        ("uuid", ["00000000-0000-0000-0000-00000000000A"], 0),
        ("timestamp:iso-datetime-space", ["2026-01-01 00:00:00", "2026-01-01T00:00:00"], 1),
        ("timestamp:iso-datetime-space", ["2026-02-30 00:00:00"], 0),
        ("date:iso-date", ["2026-01-01", "20260102"], 1),
        ("timestamp:mixed", ["2026-01-01", "tomorrow"], 1),
        ("timestamptz:epoch-s", [0, 253_402_300_800], 1),
        ("timestamptz:epoch-ms", [2**63 - 1], 0),
        ("timestamptz:real-epoch-s", [1767607200.25, 1767607200.1234567], 1),
        ("timestamptz:real-epoch-s", [0.5, -0.0], 1),
        ("timestamptz:real-cocoa", [1.0, math.inf], 1),
        ("timestamp:real-julian", [2461045.5, 1e300], 1),
        ("time:time", ["10:00:00", "24:00:00"], 1),
        ("time:time", ["10:00:00", "10:00:00.5"], 1),
        ("jsonb", ["{}", '{"a": 1, "a": 2}'], 1),
        ("jsonb", ["[1]", "{bad"], 1),
        ("jsonb", ["[NaN]"], 0),
        ("jsonb", ["[-0.0]"], 0),
        ("jsonb", ["[1e99999]"], 0),
        ("jsonb", ['["a\\u0000"]'], 0),
        ("jsonb", ['["\\ud800"]'], 0),
    ],
)
def test_a_value_that_would_change_is_refused_by_its_place(name: str, values: list[Any], index: int) -> None:
    carried = codec(name)

    with pytest.raises(CodecError) as caught:
        encode(carried, pa.array(values, ARROW[carried.header]))

    assert caught.value.index == index


@given(st.text(max_size=9), st.binary(max_size=9))
def test_the_lossy_text_codecs_give_text_that_postgres_takes(text: str, raw: bytes) -> None:
    stored = pa.array([text.encode("utf-8", "replace"), raw, None], pa.binary()).view(pa.string())

    for name in ("text:nul-replaced+utf8-replaced", "text:latin1+nul-replaced", "text:any+nul-replaced+utf8-replaced"):
        sent = encode(codec(name), stored)
        for value in sent.cast(pa.binary()).to_pylist()[:2]:
            assert b"\0" not in value
            value.decode("utf-8")
        assert sent[2].as_py() is None


def test_latin_1_is_read_only_where_it_is_not_utf_8() -> None:
    stored = pa.array([b"caf\xe9", "café".encode()], pa.binary()).view(pa.string())

    assert encode(codec("text:latin1"), stored).to_pylist() == ["café", "café"]


def test_bytes_of_texts_that_are_not_utf_8_survive_as_bytes() -> None:
    stored = pa.array([b"caf\xe9\x00", b""], pa.binary()).view(pa.string())
    carried = codec("blob-of-text")

    sent = encode(carried, stored)

    assert sent.to_pylist() == [b"caf\xe9\x00", b""]
    assert carried.to_source is not None
    assert same(carried.to_source(sent).cast(pa.binary()), stored.cast(pa.binary()))


@pytest.mark.parametrize(
    "name",
    ["", "texxt", "decimal", "decimal(1)", "timestamp", "timestamp:next week", "boolean:yEs", "text:", "integer:4",
     "text:any+nonsense", "time:iso-date", "time:mixed", "date:time", "timestamp:real-cocoa", "timestamptz:real-julian",
     "timestamptz:cocoa-rounded", "timestamp:cocoa-ns",
     "timestamptz:real-epoch-ms", "date:real-julian", "decimal(0,0)", "decimal(99,2)"],
)  # fmt: skip
def test_a_name_that_is_no_codec_is_known_as_none(name: str) -> None:
    assert not exists(name)
    with pytest.raises(KeyError):
        codec(name)


@given(FLOATS, FLOATS)
def test_differences_look_at_the_bits_of_floats(a: float, b: float) -> None:
    assume(struct.pack(">d", a) != struct.pack(">d", b))

    assert differences(pa.array([a, None, math.nan]), pa.array([b, None, math.nan])) == [0]
    assert differences(pa.array([None, 1.0]), pa.array([0.0, 1.0])) == [0]
    assert same(pa.array([a, None]), pa.array([a, None]))
