from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.convert import codecs
from migrator_tui.convert.declared import affinity
from migrator_tui.convert.given_types import codec_for, onto
from migrator_tui.convert.typed import Typed
from migrator_tui.convert.types import propose
from migrator_tui.model.findings import CATALOGUE, Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column, TableName
from migrator_tui.sqlite.gathering import Integers


def recommended(finding: Finding) -> str:
    return finding.choices[0]


def choosing(choice: str) -> Any:
    return lambda finding: choice if choice in finding.choices else finding.choices[0]


def proposed(declared: str, decide: Any = recommended, **profile: Any) -> Typed:
    return propose("t", Column("c", declared), ColumnProfile("c", **profile), decide)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("INT", "INTEGER"), ("POINT", "INTEGER"), ("FLOATING POINT", "INTEGER"), ("CHARINT", "INTEGER"),
        ("VARCHAR(9)", "TEXT"), ("CLOB", "TEXT"), ("", "BLOB"), ("BLOB", "BLOB"), ("REAL", "REAL"),
        ("DOUBLE PRECISION", "REAL"), ("STRING", "NUMERIC"), ("DECIMAL(10,5)", "NUMERIC"), ("DATETIME", "NUMERIC"),
    ],
)  # fmt: skip
def test_the_affinity_is_sqlite_s(declared: str, expected: str) -> None:
    assert affinity(declared) == expected


INTEGERS = {"integers": 3, "integer_min": 1, "integer_max": 9}


@pytest.mark.parametrize(
    ("declared", "profile", "expected"),
    [
        ("INTEGER", INTEGERS, ("bigint", "integer")),
        ("BOOLEAN", {"integers": 2, "integer_min": 0, "integer_max": 1}, ("boolean", "boolean")),
        ("BOOLEAN", {"integers": 2, "integer_min": 0, "integer_max": 2}, ("bigint", "integer")),
        ("BOOLEAN", {"texts": 2, "shapes": {"bool-tf": 2}}, ("boolean", "boolean:tf")),
        ("BOOLEAN", {"texts": 2, "shapes": {"bool-tf": 1, "other": 1}}, ("text", "text")),
        ("REAL", {"reals": 2}, ("double precision", "real")),
        ("NUMERIC", {"reals": 2, "decimals": 2, "real_max": 9.25}, ("numeric", "decimal(38,2)")),
        ("DECIMAL(10,2)", {"reals": 2, "decimals": 2, "real_max": 9.25}, ("numeric(10,2)", "decimal(10,2)")),
        ("DECIMAL(10,2)", {"reals": 2, "decimals": 3, "real_max": 9.251}, ("double precision", "real")),
        ("DECIMAL(3,2)", {"reals": 2, "decimals": 2, "real_max": 99.25}, ("double precision", "real")),
        ("DECIMAL(10,2)", {"reals": 2, "decimals": None, "real_max": 1e300}, ("double precision", "real")),
        ("DECIMAL(10,2)", INTEGERS, ("numeric(10,2)", "decimal(10,2)")),
        ("NUMERIC", {"integers": 1, "reals": 1, "integer_max": 3}, ("double precision", "real-numeric")),
        ("TEXT", {"texts": 2}, ("text", "text")),
        ("VARCHAR(5)", {"texts": 2, "text_max_characters": 5}, ("character varying(5)", "text")),
        ("VARCHAR(5)", {"texts": 2, "text_max_characters": 6}, ("text", "text")),
        ("DATE", {"texts": 2, "shapes": {"iso-date": 2}}, ("date", "date:iso-date")),
        ("DATETIME", {"texts": 2, "shapes": {"iso-datetime-T+Z": 2}},
         ("timestamp with time zone", "timestamptz:iso-datetime-T+Z")),
        ("DATETIME", {"texts": 2, "shapes": {"other": 2}}, ("text", "text")),
        ("TIME", {"texts": 2, "shapes": {"time-minutes": 2}}, ("time without time zone", "time:time-minutes")),
        ("TIME", {"texts": 3, "shapes": {"time": 2, "time-minutes": 1}}, ("text", "text")),
        ("DATETIME", INTEGERS, ("bigint", "integer")),
        ("BLOB", {"blobs": 1}, ("bytea", "blob")),
        ("", INTEGERS, ("bigint", "integer")),
        ("INTEGER", {}, ("bigint", "integer")),
        ("DATETIME", {}, ("timestamp without time zone", "timestamp:iso-datetime-space")),
        ("DECIMAL(99,2)", {}, ("numeric", "decimal(38,2)")),
        ("", {}, ("text", "text")),
    ],
)  # fmt: skip
def test_the_declared_type_proposes_and_the_stored_values_decide(
    declared: str, profile: dict[str, Any], expected: tuple[str, str]
) -> None:
    typed = proposed(declared, **profile)

    assert (typed.type, typed.codec) == expected
    assert typed.quarantine == ()


def test_integers_in_a_date_column_stay_numbers_until_somebody_says_what_they_count() -> None:
    profile: dict[str, Any] = {"integers": 2, "integer_min": 1_700_000_000_000, "integer_max": 1_767_225_600_000}

    kept = proposed("DATETIME", **profile)
    read = proposed("DATETIME", choosing("epoch-ms"), **profile)

    assert (kept.type, kept.codec) == ("bigint", "integer")
    assert (read.type, read.codec) == ("timestamp with time zone", "timestamptz:epoch-ms")
    (finding,) = kept.findings
    assert (finding.id, finding.choices) == ("TYPE-EPOCH", ("bigint", "epoch-ms", "epoch-us", "webkit"))


def test_several_classes_are_a_finding_with_four_ways_out() -> None:
    profile: dict[str, Any] = {"integers": 12, "texts": 1, "integer_min": 1, "integer_max": 5}

    exact = proposed("TEXT", **profile)
    as_text = proposed("TEXT", choosing("text"), **profile)
    apart = proposed("TEXT", choosing("quarantine"), **profile)
    nulled = proposed("TEXT", choosing("null"), **profile)

    assert (exact.type, exact.codec, exact.quarantine) == ("text", "text:exact-integer+text", ())
    assert (as_text.type, as_text.codec, as_text.quarantine) == ("text", "text:any", ())
    assert (apart.type, apart.codec, apart.quarantine) == (
        "bigint",
        "integer",
        (("TYPE-MIXED", "class-not", "integer"),),
    )
    assert (nulled.codec, nulled.quarantine, nulled.nulled) == ("integer", (), apart.quarantine)
    (finding,) = as_text.findings
    assert (finding.id, finding.rows, finding.choices) == ("TYPE-MIXED", 1, ("exact", "text", "null", "quarantine"))


def test_reals_count_time_only_if_somebody_says_so_and_to_the_bit() -> None:
    seconds: dict[str, Any] = {"reals": 2, "integers": 1, "integer_min": 1_767_607_200, "integer_max": 1_767_607_200,
                               "real_min": 1_700_000_000.25, "real_max": 1_700_000_001.5}  # fmt: skip
    exact = {"counted": frozenset({"epoch-s", "cocoa"})}

    kept = proposed("TIMESTAMP", **seconds, **exact)
    read = proposed("TIMESTAMP", choosing("epoch-s"), **seconds, **exact)
    rounded = proposed("TIMESTAMP", choosing("epoch-s-rounded"), **seconds)
    julian = proposed("DATETIME", choosing("julian"), reals=1, real_min=2461045.5, real_max=2461045.5,
                      counted=frozenset({"julian"}))  # fmt: skip

    assert (kept.type, kept.codec) == ("double precision", "real-numeric")
    assert (read.type, read.codec) == ("timestamp with time zone", "timestamptz:real-epoch-s")
    assert rounded.codec == "timestamptz:real-epoch-s-rounded"
    assert julian.codec == "timestamp:real-julian"
    asked = [typed.findings[0].choices for typed in (kept, rounded)]
    assert asked == [("double", "epoch-s", "cocoa"), ("double", "epoch-s-rounded", "cocoa-rounded")]


@pytest.mark.parametrize(
    ("name", "declared", "low", "high", "choices"),
    [
        ("created_at", "INTEGER", 1_767_607_200, 1_767_607_300, ("bigint", "epoch-s", "cocoa")),
        ("visitTime", "INTEGER", 13_412_080_800_000_000, 13_412_080_900_000_000, ("bigint", "webkit")),
        ("date", "INTEGER", 7 * 10**17, 7 * 10**17 + 1000, ("bigint", "epoch-ns", "cocoa-ns")),
        ("date", "INTEGER", 7 * 10**17, 7 * 10**17 + 1, ("bigint", "epoch-ns-rounded", "cocoa-ns-rounded")),
        ("created_at", "INTEGER", 7, 9, None),
        ("amount", "INTEGER", 1_767_607_200, 1_767_607_300, None),
    ],
)
def test_integers_of_a_column_that_is_named_like_a_time_are_asked_about_where_they_may_be_one(
    name: str, declared: str, low: int, high: int, choices: tuple[str, ...] | None
) -> None:
    gathered = Integers(keep=False, unique=False, asks_for_time=True)
    gathered.add(pa.array([low, high], pa.int64()))
    profile = gathered.onto(ColumnProfile(name))

    typed = propose("t", Column(name, declared), profile, recommended)
    in_key = propose("t", Column(name, declared), profile, recommended, nullable=False)

    assert (typed.type, typed.codec) == ("bigint", "integer")
    assert [f.choices for f in typed.findings] == ([choices] if choices else [])
    assert in_key.findings == ()


@pytest.mark.parametrize(
    ("declared", "profile", "expected"),
    [
        ("INTEGER", INTEGERS | {"texts": 5, "empty_texts": 5}, ("bigint", "integer")),
        ("DECIMAL(10,2)", {"integers": 1, "reals": 2, "texts": 9, "empty_texts": 9, "decimals": 2, "integer_max": 3,
                           "real_max": 9.25}, ("numeric(10,2)", "decimal(10,2)")),
        ("INTEGER", {"texts": 2, "empty_texts": 2}, ("bigint", "integer")),
        ("DATE", {"texts": 5, "empty_texts": 1, "shapes": {"iso-date": 3, "zero-date": 1, "empty": 1}},
         ("date", "date:iso-date")),
        ("BOOLEAN", {"texts": 3, "empty_texts": 1, "shapes": {"bool-yesno": 2, "empty": 1}},
         ("boolean", "boolean:yesno")),
        ("INTEGER", INTEGERS | {"texts": 2, "empty_texts": 1}, None),  # a text says something: other choices are there
        ("TEXT", {"texts": 2, "empty_texts": 1}, None),
        ("STRING", {"texts": 2, "empty_texts": 2}, None),
        ("DATE", {"texts": 2, "empty_texts": 1, "shapes": {"other": 1, "empty": 1}}, None),
    ],
)  # fmt: skip
def test_texts_that_stand_for_no_value_become_null_only_if_somebody_says_so(
    declared: str, profile: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    kept = proposed(declared, **profile)
    nulled = proposed(declared, lambda f: "null" if f.id == "VALUE-EMPTY" else f.choices[0], **profile)

    assert kept.codec.startswith("text")
    assert kept.nulled == ()
    if expected is None:
        assert "VALUE-EMPTY" not in {finding.id for finding in kept.findings}
    else:
        assert (nulled.type, nulled.codec, nulled.quarantine) == (*expected, ())
        assert nulled.nulled == (("VALUE-EMPTY", "placeholder", ""),)
        assert [finding.id for finding in nulled.findings] == ["VALUE-EMPTY"]


def test_integers_beyond_a_double_beside_reals_become_text() -> None:
    typed = proposed("NUMERIC", integers=1, reals=1, integer_min=0, integer_max=2**53 + 1)

    assert (typed.type, typed.codec) == ("text", "text:exact-integer+real")
    assert [f.id for f in typed.findings] == ["TYPE-MIXED"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("replace", ("text", "text:nul-replaced+utf8-replaced", ())),
        ("bytea", ("bytea", "blob-of-text", ())),
        ("latin1", ("text", "text:latin1+nul-replaced", ())),
        ("quarantine", ("text", "text", (("VALUE-NUL", "nul", ""), ("VALUE-UTF8", "invalid-utf8", "")))),
    ],
)
def test_texts_that_postgres_refuses_have_every_way_out(choice: str, expected: tuple[Any, ...]) -> None:
    typed = proposed("TEXT", choosing(choice), texts=5, nul_texts=1, invalid_utf8=2)

    assert (typed.type, typed.codec, typed.quarantine) == expected
    assert [(f.id, f.rows) for f in typed.findings] == [("VALUE-NUL", 1), ("VALUE-UTF8", 2)]


def test_a_mixed_column_as_lossy_text_with_such_texts_says_both() -> None:
    def otherwise(finding: Finding) -> str:
        return "text" if "text" in finding.choices else finding.choices[0]

    typed = proposed("TEXT", otherwise, texts=5, integers=2, nul_texts=1)

    assert (typed.type, typed.codec) == ("text", "text:any+nul-replaced")
    assert [f.id for f in typed.findings] == ["TYPE-MIXED", "VALUE-NUL"]


def live(kind: str, **more: Any) -> Column:
    return Column("c", kind, **more)


@pytest.mark.parametrize(
    ("kind", "profile", "expected"),
    [
        ("integer", INTEGERS, "integer4"),
        ("smallint", INTEGERS, "integer2"),
        ("numeric", INTEGERS, "integer-numeric"),
        ("numeric(9,2)", {"reals": 1, "decimals": 2}, "decimal(9,2)"),
        ("boolean", {"integers": 1, "integer_min": 0, "integer_max": 1}, "boolean"),
        ("double precision", INTEGERS, "real-numeric"),
        ("text", {"texts": 1}, "text"),
        ("character varying(20)", {"texts": 1, "text_max_characters": 4}, "text"),
        ("timestamp with time zone", {"texts": 1, "shapes": {"iso-datetime-T+Z": 1}}, "timestamptz:iso-datetime-T+Z"),
        ("date", {"texts": 1, "shapes": {"iso-date": 1}}, "date:iso-date"),
        ("uuid", {"texts": 1}, "uuid"),
        ("jsonb", {"texts": 1}, "jsonb"),
        ("bytea", {"blobs": 1}, "blob"),
        ("text", {"texts": 1, "integers": 1}, "text:exact-integer+text"),
        ("text", INTEGERS, "text-of-integer"),
        ("bigint", {"texts": 1}, "integer-of-text"),
        ("real", {"reals": 1}, "real4"),
        # Chosen by what the column mostly holds; values that do not fit are found one by one.
        ("numeric(9,2)", {"reals": 1, "decimals": 3}, "decimal(9,2)"),
        ("boolean", {"integers": 1, "integer_min": 0, "integer_max": 2}, "boolean"),
        ("date", {"texts": 3, "shapes": {"iso-date": 2, "other": 1}}, "date:iso-date"),
        ("boolean", {"texts": 1}, "cast"),
        ("text[]", {"texts": 1}, "cast"),
        ("interval", {"integers": 1, "integer_max": 1}, "cast-of-integer"),
        ("double precision", {"texts": 1}, "cast"),
    ],
)
def test_a_live_column_takes_what_it_can_hold_exactly(kind: str, profile: dict[str, Any], expected: str) -> None:
    typed = onto("t", Column("c", "TEXT"), ColumnProfile("c", **profile), live(kind), recommended)

    assert (typed.type, typed.codec, typed.misfit) == (kind, expected, None)


@pytest.mark.parametrize(
    ("kind", "profile"),
    [
        ("integer", {"reals": 1}),
        ("numeric(100,2)", {"reals": 1, "decimals": 2}),
        ("date", {"texts": 1, "shapes": {"iso-datetime-T": 1}}),
        ("double precision", {"integers": 1, "integer_max": 2**53 + 1}),
        ("bytea", {"texts": 1}),
        ("text[]", {"blobs": 1}),
        ("uuid", {"blobs": 1}),
        ("uuid", {"texts": 2, "nul_texts": 1}),
    ],
)
def test_a_live_column_that_cannot_says_why(kind: str, profile: dict[str, Any]) -> None:
    typed = onto("t", Column("c", "TEXT"), ColumnProfile("c", **profile), live(kind), recommended)

    assert typed.misfit is not None
    assert typed.misfit.startswith("t.c holds ")


def test_a_live_column_that_takes_one_class_asks_what_becomes_of_the_others() -> None:
    profile = ColumnProfile("c", integers=3, integer_max=9, texts=4, empty_texts=4)

    apart = onto("t", Column("c", "INT"), profile, live("bigint"), recommended)
    nulled = onto("t", Column("c", "INT"), profile, live("bigint"), choosing("null"))
    strict = onto("t", Column("c", "INT"), profile, live("bigint"), recommended, nullable=False)

    assert (apart.codec, apart.quarantine) == ("integer", (("TYPE-MIXED", "class-not", "integer"),))
    assert (nulled.codec, nulled.quarantine, nulled.nulled) == ("integer", (), apart.quarantine)
    assert [f.choices for f in (*apart.findings, *strict.findings)] == [("quarantine", "null"), ("quarantine",)]


def test_a_live_enum_takes_texts_only() -> None:
    column = live('"mood"', enum=TableName("public", "mood"))

    assert onto("t", Column("c", ""), ColumnProfile("c", texts=1), column, recommended).codec == "text"
    assert onto("t", Column("c", ""), ColumnProfile("c", integers=1), column, recommended).misfit


@pytest.mark.parametrize(
    ("kind", "proposed_codec", "expected"),
    [
        ("integer", "integer", "integer4"), ("INT8", "integer", "integer"), ("text", "integer", "text:any"),
        ("varchar(9)", "text:latin1", "text:latin1"), ("numeric", "integer", "integer-numeric"),
        ("numeric(50, 2)", "real", "decimal(50,2)"), ("numeric(99,2)", "real", "decimal(38,10)"),
        ("timestamptz", "timestamp:iso-date", "timestamptz:iso-date"), ("bytea", "text", "blob-of-text"),
        ("jsonb", "text", "jsonb"), ("inet", "text", "text"),
    ],
)  # fmt: skip
def test_a_type_that_a_person_wrote_gets_the_codec_that_fits(kind: str, proposed_codec: str, expected: str) -> None:
    assert codec_for(kind, proposed_codec) == expected


COUNTS = st.integers(0, 3)


@given(
    st.sampled_from(["INTEGER", "TEXT", "", "DATETIME", "DATE", "BOOLEAN", "DECIMAL(9,2)", "NUMERIC", "CHAR(3)"]),
    st.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
    st.integers(-(2**63), 0), st.integers(0, 2**63 - 1),
    st.none() | st.integers(0, 15), st.booleans(), st.booleans(),
    st.sampled_from(["replace", "bytea", "latin1", "quarantine", "text", "timestamp"]),
)  # fmt: skip
def test_whatever_the_profile_the_proposal_is_a_codec_and_its_findings_are_known(
    declared: str, counts: tuple[int, int, int, int], low: int, high: int, decimals: int | None,
    nul: bool, invalid: bool, choice: str,
) -> None:  # fmt: skip
    integers, reals, texts, blobs = counts
    profile = ColumnProfile(
        "c", integers=integers, reals=reals, texts=texts, blobs=blobs, decimals=decimals if reals else None,
        integer_min=low if integers else None, integer_max=high if integers else None,
        real_min=-1.5 if reals else None, real_max=2.5 if reals else None,
        nul_texts=int(nul and texts > 0), invalid_utf8=int(invalid and texts > 0),
        shapes={"iso-date": texts} if texts else {},
    )  # fmt: skip

    typed = propose("t", Column("c", declared), profile, choosing(choice))

    assert codecs.exists(typed.codec)
    for finding in typed.findings:
        assert set(finding.choices) <= {c.name for c in CATALOGUE[finding.id].choices}
    for id, _, _ in typed.quarantine:
        assert id in {finding.id for finding in typed.findings}
