from __future__ import annotations

from pathlib import Path

import pytest

from migrator_tui.model.findings import CATALOGUE
from migrator_tui.model.findings_page import page

PROJECT = Path(__file__).resolve().parents[2]
TESTS = "\n".join(file.read_text() for file in sorted((PROJECT / "tests").rglob("test_*.py")))


def test_the_committed_page_is_what_the_catalogue_says() -> None:
    committed = (PROJECT / "docs" / "findings.md").read_text()
    assert committed == page(), "run python -m migrator_tui.model.findings_page > docs/findings.md"


@pytest.mark.parametrize("id", sorted(CATALOGUE))
def test_a_kind_has_a_section_that_says_what_each_choice_does(id: str) -> None:
    section = page().split(f"\n## {id}\n")[1].split("\n## ")[0]
    assert CATALOGUE[id].title in section
    for choice in CATALOGUE[id].choices:
        assert f"`{choice.name}`" in section


@pytest.mark.parametrize("id", sorted(CATALOGUE))
def test_a_kind_is_raised_by_some_test(id: str) -> None:
    assert f'"{id}"' in TESTS
