"""The same value has the same mask, other values have others, and a mask looks like what it stands for."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.convert.redaction import SMALL, Masks
from migrator_tui.convert.to_sqlite_values import Cells

MASKS = Masks(b"key")


def masked(values: list[object], kind: pa.DataType, **how: bool) -> list[object]:
    """The masks of values of one class."""
    (part,) = MASKS.cells(Cells((pa.array(values, kind),)), **how).parts
    found: list[object] = part.to_pylist()
    return found


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, SMALL + 5), unique=True))
def test_different_integers_stay_different_and_small_ones_small(values: list[int]) -> None:
    masks = masked(list(values), pa.int64())
    assert len(set(masks)) == len(values)
    assert all((0 <= mask < SMALL) == (0 <= value < SMALL) for mask, value in zip(masks, values, strict=True))  # type: ignore[operator]


@given(st.lists(st.text(min_size=1), unique=True))
def test_different_texts_stay_different_and_like_ones_alike(values: list[str]) -> None:
    masks = masked([*values, *values, None], pa.string())
    assert masks[: len(values)] == masks[len(values) : -1]
    assert len(set(masks[:-1])) == len(values)
    assert masks[-1] is None


def test_a_mask_looks_like_what_it_stands_for() -> None:
    mail, uuid, day, moment, number, word, nothing = masked(
        ["a@b.org", "8c5b8e57-77f0-4b4a-9b8e-000000000001", "2020-01-05", "2020-01-05T10:20:30Z", "12.5", "Bob", ""],
        pa.string(),
    )
    assert str(mail).endswith("@example.com")
    assert len(str(uuid)) == 36
    assert len(str(day)) == 10
    assert str(moment).endswith("T00:00:00Z")
    assert str(number).isdigit()
    assert "Bob" not in str(word)
    assert nothing == ""
    assert str(masked(['["a"]'], pa.string(), json=True)[0]).startswith('["')
    assert masked(["A@b.org"], pa.string(), fold=True) == masked(["a@B.org"], pa.string(), fold=True)
