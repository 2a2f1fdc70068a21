"""Databases that others made arrive whole: audited independently."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator_tui.postgres.connect import Target
from tests.migration.audit_corpus import audited

FILES = (
    "chinook.sqlite", "gnucash_book_prices.gnucash", "gpkg_nulls.gpkg", "northwind_views.db", "pgloader_bad_utf8.db",
    "pgloader_name_collision.db", "pgloader_oddtypes.db", "pgloader_type_mismatch.db", "world_rails_tf.db",
    "zeitgeist_fkviol_wal.sqlite",
)  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_a_database_that_others_made_arrives_whole_or_says_what_does_not(
    corpus: Path, target: Target, file: str
) -> None:
    _, _, wrong = audited(corpus / file, target)
    assert wrong == []
