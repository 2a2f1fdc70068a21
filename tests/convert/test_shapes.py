"""Shapes of dates and booleans."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.convert import shapes

ZONES = ("", "Z", "+00:00", "-05:30", "+0200", "-11", "+14:00")
MOMENTS = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31, 23, 59, 59, 999999))


def classified(text: str) -> str:
    name = shapes.classify(pa.array([text]))[0].as_py()
    assert isinstance(name, str)
    return name


def written_back(text: str, name: str) -> str:
    array = shapes.render(shapes.parse(pa.array([text, None]), name), name)
    assert array[1].as_py() is None
    result = array[0].as_py()
    assert isinstance(result, str)
    return result


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=lambda shape: shape.name)
def test_the_example_of_each_shape_has_that_shape(shape: shapes.Shape) -> None:
    assert classified(shape.example) == shape.name


@given(MOMENTS, st.sampled_from(" T"), st.integers(0, 6), st.sampled_from(ZONES))
def test_a_moment_is_written_back_to_the_letter(moment: dt.datetime, between: str, digits: int, zone: str) -> None:
    fraction = f".{moment.microsecond:06}"[: digits + 1] if digits else ""
    text = f"{moment:%H:%M:%S}"
    text = f"{moment.date().isoformat()}{between}{text}{fraction}{zone}"
    name = classified(text)
    family = "iso-datetime-space" if between == " " else "iso-datetime-T"
    expected_zone = "+Z" if zone == "Z" else zone
    assert name == family + (f".{digits}" if digits else "") + expected_zone
    assert shapes.has_zone(name) == bool(zone)
    assert shapes.is_moment(name)
    assert not shapes.is_date(name)
    assert written_back(text, name) == text


@given(MOMENTS, st.sampled_from(" T"))
def test_a_moment_without_seconds_is_written_back_to_the_letter(moment: dt.datetime, between: str) -> None:
    text = f"{moment.date().isoformat()}{between}{moment:%H:%M}"
    name = classified(text)
    assert name == ("iso-datetime-minutes" if between == " " else "iso-datetime-T-minutes")
    assert written_back(text, name) == text


@given(
    st.dates(),
    st.sampled_from(
        [
            ("iso-date", "{y:04}-{m:02}-{d:02}"),
            ("date-dmy-dots", "{d:02}.{m:02}.{y:04}"),
            ("date-mdy-slash", "{m:02}/{d:02}/{y:04}"),
            ("date-compact8", "{y:04}{m:02}{d:02}"),
        ]
    ),
)
def test_a_date_of_any_year_is_read_and_written_back(date: dt.date, shape: tuple[str, str]) -> None:
    name, pattern = shape
    text = pattern.format(y=date.year, m=date.month, d=date.day)
    assert classified(text) == name
    assert shapes.is_date(name)
    assert shapes.parse(pa.array([text]), name).to_pylist() == [date]
    assert written_back(text, name) == text


@given(MOMENTS)
def test_fourteen_digits_are_a_moment(moment: dt.datetime) -> None:
    text = f"{moment.year:04}{moment:%m%d%H%M%S}"
    assert classified(text) == "datetime-compact14"
    assert shapes.parse(pa.array([text]), "datetime-compact14")[0].as_py() == moment.replace(microsecond=0)
    assert written_back(text, "datetime-compact14") == text


@given(st.integers(0, 10000), st.integers(0, 13), st.integers(0, 32))
def test_a_date_is_recognised_exactly_where_the_calendar_has_it(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    try:
        dt.date.fromisoformat(text)
        expected = "iso-date"
    except ValueError:
        expected = "zero-date" if text == "0000-00-00" else "other"
    assert classified(text) == expected


@given(st.text(max_size=30))
def test_any_text_has_one_shape_and_moments_among_them_come_back(text: str) -> None:
    name = classified(text)
    assert shapes.shape(name) is not None
    if shapes.is_moment(name):
        assert written_back(text, name) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30",
        "1900-02-29",
        "2026-01-05 24:00:00",
        "2026-01-05 10:60:00",
        "2026-01-05 10:00:60",
        "2026-01-05 10:00:00.1234567",
        "2026-01-05 10:00:00.",
        "2026-01-05 10:00:00 ",
        "2026-01-05\n",
        "2026-01-05T10:00:00z",
        "2026-1-5",
        "31/12/2026",
        "-2026-01-05",
        "\u0662026-01-05",
        "2026-01-05\x00",
        "tRue",
        "01",
        "0b5a3f0e-6c1d-4a3e-9f00-1d2c3b4a596",
        "0b5a3f0e-6c1d-4a3e-9f00-1d2c3b4a596A",
        "0B5A3F0E6C1D4A3E9F001D2C3B4A5968",
    ],
)
def test_what_is_nearly_a_date_or_boolean_is_other(text: str) -> None:
    assert classified(text) == "other"


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00+02:00", "9999-12-31T23:59:59-01:00"])
def test_a_zone_may_not_carry_a_moment_out_of_the_calendar(text: str) -> None:
    assert classified(text) == "other"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31 23:59:59.999999"])
def test_the_first_and_the_last_moment_are_written_back(text: str) -> None:
    assert written_back(text, classified(text)) == text


def test_a_moment_with_a_zone_is_read_as_that_moment_in_utc() -> None:
    parsed = shapes.parse(pa.array(["2026-01-05T10:00:00.250+02:00"]), "iso-datetime-T.3+02:00")
    assert parsed.type == pa.timestamp("us", "UTC")
    assert parsed.cast(pa.timestamp("us"))[0].as_py() == dt.datetime(2026, 1, 5, 8, 0, 0, 250000)


def test_null_stays_null_and_bytes_that_are_no_text_are_other() -> None:
    array = pa.array([None, b"caf\xe9", b"2026-01-05"], pa.binary()).view(pa.string())
    assert shapes.classify(array).to_pylist() == [None, "other", "iso-date"]


def test_each_of_many_texts_gets_its_own_shape() -> None:
    texts = ["t", "", "2026-01-05", "x", None, "2026-01-05 10:00:00", "2026-01-05T10:00:00.5Z", "f", "05.01.2026"]
    assert shapes.classify(pa.array(texts)).to_pylist() == [
        "bool-tf",
        "empty",
        "iso-date",
        "other",
        None,
        "iso-datetime-space",
        "iso-datetime-T.1+Z",
        "bool-tf",
        "date-dmy-dots",
    ]


def test_an_empty_array_still_has_its_types() -> None:
    none = pa.array([], pa.string())
    assert shapes.classify(none).type == pa.string()
    assert shapes.parse(none, "iso-date").type == pa.date32()
    assert shapes.parse(none, "datetime-compact14").type == pa.timestamp("us")


@pytest.mark.parametrize("name", ["other", "empty", "bool-tf", "iso-datetime-T.7", "iso-datetime-minutes.3", "nope"])
def test_what_is_no_date_cannot_be_parsed(name: str) -> None:
    assert not shapes.is_moment(name)
    with pytest.raises(ValueError, match="not a shape"):
        shapes.parse(pa.array(["t"]), name)


def test_a_value_of_another_shape_is_refused_or_comes_back_changed() -> None:
    with pytest.raises(pa.ArrowInvalid):
        shapes.parse(pa.array(["2026-02-30"]), "iso-date")
    assert written_back("2026-01-05 10:00:00.123456", "iso-datetime-space.3") != "2026-01-05 10:00:00.123456"


_NEAR = st.one_of(
    st.sampled_from([shape.example for shape in shapes.SHAPES]),
    st.from_regex(
        r"(20[0-9]{2}|0000|0001|9999)-(0[0-9]|1[0-9])-[0-3][0-9]([ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?",
        fullmatch=True,
    ),
    st.from_regex(r"2026-01-05[ T_][0-2][0-9][:+-][0-6][0-9][:Z][0-6][0-9Z]", fullmatch=True),
    st.text(st.sampled_from("0123456789-: TZ.+/"), min_size=8, max_size=24),
)


@given(st.sampled_from([shape.name for shape in shapes.SHAPES]), st.lists(_NEAR, max_size=4), st.booleans())
def test_texts_that_are_all_of_a_shape_at_a_glance_are_so_one_by_one(name: str, texts: list[str], alike: bool) -> None:
    written = texts[:1] * 3 if alike else texts
    array = pa.array(written, pa.string())

    if shapes.all_are(array, name):
        assert set(shapes.classify(array).to_pylist()) <= {name}


def test_a_day_of_the_year_0_which_python_has_not_is_no_date_at_a_glance() -> None:
    assert not shapes.all_are(pa.array(["0000-01-01"], pa.string()), "iso-date")


@given(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)).map(lambda at: at.replace(microsecond=0)))
def test_ordinary_moments_are_known_at_a_glance(at: dt.datetime) -> None:
    assert shapes.all_are(pa.array([at.isoformat(" ")]), "iso-datetime-space")
    assert shapes.all_are(pa.array([at.isoformat()]), "iso-datetime-T")
    assert shapes.all_are(pa.array([at.date().isoformat()]), "iso-date")
