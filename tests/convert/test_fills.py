"""Values that a person writes for columns that only the target has."""

from __future__ import annotations

import pytest

from migrator_tui.convert.fills import as_sql, depends_on_row, is_constant
from migrator_tui.model.plan import FillText


def test_an_expression_is_itself_and_a_text_is_quoted() -> None:
    assert as_sql("now()") == "now()"
    assert as_sql(FillText("it's")) == "'it''s'"


@pytest.mark.parametrize("written", ["", "acme'", "1; DROP TABLE t", "1 FROM t", 'date("")', "1, 2"])
def test_what_is_no_single_expression_says_what_was_expected(written: str) -> None:
    with pytest.raises(ValueError, match="expected one SQL expression"):
        as_sql(written)


def test_what_reads_a_column_or_calls_something_is_told_from_what_is_the_same_each_time() -> None:
    assert depends_on_row("lower(name)")
    assert not depends_on_row("now()")
    assert is_constant("'acme'")
    assert not is_constant("now()")
