"""JSON that is known by patterns, without a look at each text."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator_tui.convert import json_templates, json_values

ODD = (
    '{"a": 1, "a": 2}', '{"a":{"b":1,"b":2}}', "-0", "[-0.0]", '{"a": -0.5}', "1e5", '{"a": 1E400}', "[NaN]", "{",
    "[1,]",
    '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": "x\ty"}', '{"a": "x\ny"}', ' {"a" : 1 } ', '{"a": 01}', '{"a": 1.}',
    '{"a": "\\q"}', '{"a": 1} {}', '{"\\u0061": 1, "a": 2}', '{"a": nul}', "['a']", '{"a": [1, {"b": 1}]}', "\u00a0{}",
    "", '{"a": "' + "x" * 10_001 + '"}', '{"a": ' + "9" * 10_001 + "}",
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
NAMES = st.sampled_from(["a", "b", "c d", "é", 'q"', "\\", "x.y", "\0", "a*"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
TEXTS = st.sampled_from(ODD) | st.builds(json.dumps, VALUES, ensure_ascii=st.booleans())


def survives(text: str) -> bool:
    try:
        json_values.kept(pa.array([text]))  # so few are looked at one by one
    except pa.ArrowInvalid:
        return False
    return True


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_what_a_pattern_knows_survives_in_jsonb(some: list[str]) -> None:
    texts = some * 70

    left = set(json_templates.unmatched(pa.array(texts, pa.string())).to_pylist())

    assert all(survives(text) for text in set(texts) - left)
    expected = "jsonb" if all(map(survives, some)) else json_values.kept_as(pa.array(some), "json")
    assert json_values.kept_as(pa.array(texts, pa.string()), "jsonb") == expected


def test_texts_that_are_built_alike_need_no_look_at_each() -> None:
    rows = [
        {"id": n, "name": f'Größe "{n}"', "tags": ["a"] * (n % 3), "owner": None if n % 2 else {"at": n / 4}}
        for n in range(200)
    ]
    texts = pa.array([json.dumps(row, ensure_ascii=False) for row in rows])

    assert len(json_templates.unmatched(texts)) == 0
