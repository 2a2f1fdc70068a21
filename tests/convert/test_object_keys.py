"""Paths become keys that Storage takes, no two the same, and come back."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrator_tui.convert import codecs, object_keys, object_values

# What the Storage server checks (its limits.ts), written apart from the code under test.
TAKEN = re.compile(r"^(?:[A-Za-z0-9_]|/|!|-|\.|\*|'|\(|\)| |&|\$|@|=|;|:|\+|,|\?)+$")

paths = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.text("ab./=:#?%~[]{}\\ \u00fc2EF", max_size=12),
    st.sampled_from(["..", ".", "/", "//", "a//b", "/a", "a/", "a/../b", "=2F", "=", "=:", "\x00", "a\\b", "A", "a"]),
)
BASE = "https://abcd.supabase.co/storage/v1/object/public/documents/"
bases = st.sampled_from(["", BASE])
prefixes = st.sampled_from(["", "uploads/", "/uploads/", "./", "https://example.org/files/", "=", "=:", "a"])
values_of_a_column = st.lists(
    st.one_of(paths, st.builds(str.__add__, st.one_of(prefixes, st.just(BASE)), paths)), max_size=8
)


@given(paths)
@example("uploads/Rechnung #1 100%?.pdf")
@example("日本語/ß/é.txt")
@example("/../.././a//b/")
def test_every_path_has_a_key_that_storage_takes_and_comes_back(path: str) -> None:
    key = object_keys.key_of(path)
    assert object_keys.path_of(key) == path
    if path:
        assert TAKEN.match(key)
        assert object_keys.is_key_of_path(key)
        assert "" not in key.split("/")
        assert not {".", ".."} & set(key.split("/"))


@given(paths, paths)
def test_two_paths_never_share_a_key(one: str, other: str) -> None:
    assert (object_keys.key_of(one) == object_keys.key_of(other)) == (one == other)


@given(paths)
def test_a_key_survives_a_url(path: str) -> None:
    key = object_keys.key_of(path)
    assert object_keys.from_url(object_keys.in_url(key)) == key
    assert not set("?#: ") & set(object_keys.in_url(key))


@given(values_of_a_column, prefixes, bases)
@example([f"{BASE}a.txt", "a.txt", f"{BASE}%zz", f"{BASE}%ff", f"=:{BASE}a.txt"], "", BASE)
def test_values_are_rewritten_without_two_becoming_one(values: list[str], prefix: str, base: str) -> None:
    sent = [object_keys.rewritten(value, prefix, base) for value in values]
    assert [object_keys.original(value, prefix, base) for value in sent] == values
    assert len(set(sent)) == len(set(values))


@given(values_of_a_column, prefixes, bases)
def test_the_codec_gives_every_value_back(values: list[str], prefix: str, base: str) -> None:
    codec = codecs.codec(object_values.codec_name(prefix, base))
    array = pa.array([*values, None], pa.string())
    sent = codecs.encode(codec, array)
    assert sent.to_pylist() == [*(object_keys.rewritten(value, prefix, base) for value in values), None]
    assert codec.to_source is not None
    assert codec.to_source(sent).equals(array)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("2024/report.pdf", "2024/report.pdf"),
        ("a#1.png", "a=231.png"),
        ("what?.png", "what?.png"),
        ("100%.txt", "100=25.txt"),
        ("Ü.pdf", "=C3=9C.pdf"),
        ("a//b", "a/=2Fb"),
        ("/a", "=2Fa"),
        ("a/", "a=2F"),
        ("../etc", "=2E./etc"),
        ("a=b", "a=3Db"),
        ("Case.TXT", "Case.TXT"),
    ],
)
def test_keys_can_be_read_by_a_person(path: str, key: str) -> None:
    assert object_keys.key_of(path) == key


def test_a_value_without_the_prefix_stays_as_it_is_unless_it_could_be_taken_for_a_key() -> None:
    assert object_keys.rewritten("uploads/a.txt", "uploads/") == "a.txt"
    assert object_keys.rewritten("https://example.org/a", "uploads/") == "https://example.org/a"
    assert object_keys.rewritten("", "uploads/") == ""
    assert object_keys.rewritten("a.txt", "uploads/") == "=:a.txt"


def test_a_path_of_300_characters_fits_and_one_of_the_longest_that_a_disk_takes_may_not() -> None:
    assert not object_keys.is_too_long(object_keys.key_of("x" * 150 + "/" + "y" * 149))
    assert object_keys.is_too_long(object_keys.key_of("日" * 300))


def test_a_url_is_percent_encoded_where_the_key_has_characters_that_mean_something_in_one() -> None:
    assert object_keys.rewritten("uploads/a b?#.txt", "uploads/", BASE) == f"{BASE}a%20b%3F%3D23.txt"


@pytest.mark.parametrize("name", ["object-key", "object-url:", "object-url:uploads/", "object-url:nowhere|uploads/"])
def test_a_codec_that_says_too_little_is_none(name: str) -> None:
    assert not codecs.exists(name)
