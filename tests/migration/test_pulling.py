"""What was published comes back as it was, and what was made on the target comes as SQLite has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator_tui.demo import sample_app
from migrator_tui.migration import decisions_file
from migrator_tui.migration.pulling import pull
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration.comparing_files import contents, sequences, statements
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, succeeded

MIXED = """
    CREATE TABLE "Shop Items" (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name VARCHAR(20) NOT NULL COLLATE NOCASE UNIQUE,
        price DECIMAL(10,2) CHECK (price >= 0),
        sold BOOLEAN DEFAULT 'f',
        made TIMESTAMP,
        day DATE,
        size REAL,
        raw BLOB,
        twice GENERATED ALWAYS AS (id * 2)
    );
    INSERT INTO "Shop Items" (id, name, price, sold, made, day, size, raw) VALUES
        (1, 'Ärmel', 1.5, 't', '2026-01-05T10:00:00Z', '05.01.2026', 1.0, x''),
        (2, 'b', 2, 'f', '2026-01-05T10:00:01Z', '06.01.2026', -1e300, x'00ff'),
        (9, 'c', NULL, NULL, NULL, NULL, NULL, NULL);
    DELETE FROM "Shop Items" WHERE id = 9;
    CREATE TABLE words (word TEXT PRIMARY KEY, item INTEGER REFERENCES "Shop Items" ON DELETE SET NULL) WITHOUT ROWID;
    INSERT INTO words VALUES ('z', 1), ('a', 2), ('m', NULL);
    CREATE INDEX by_price ON "Shop Items" (price DESC) WHERE sold = 't';
    CREATE VIEW cheap AS SELECT name FROM "Shop Items" WHERE price < 2;
    CREATE TRIGGER tidy AFTER DELETE ON words BEGIN SELECT 1; END;
    PRAGMA user_version = 7;
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pulled.db"


def same(source: Path, pulled: Path) -> None:
    """Both files have the same schema, cells and high-water marks."""
    assert statements(pulled) == statements(source)
    assert contents(pulled) == contents(source)
    assert sequences(pulled) == sequences(source)


def test_a_published_file_comes_back_value_by_value_and_class_by_class(
    make_source: MakeSource, engine: Engine, target: Target, file: Path
) -> None:
    source = make_source(MIXED)
    succeeded(engine.migrate(source, target))
    pulled = pull(PullRequest(file), target)
    same(source, file)
    assert all(table.original and table.verified for table in pulled.tables)
    assert pulled.represented == ()


def test_the_sample_application_comes_back_as_it_was(
    engine: Engine, target: Target, file: Path, tmp_path: Path
) -> None:
    app = sample_app.build(tmp_path / "app", scale=0.1, files=False)
    outcome = succeeded(engine.migrate(app.database, target, decisions=decisions_file.read(app.decisions)))
    pull(PullRequest(file), target)
    assert statements(file) == statements(app.database)
    decided = {(finding.table or "", finding.column or "") for finding in outcome.findings if finding.decision}
    before, after = contents(app.database, without=decided), contents(file, without=decided)
    for table in outcome.tables:
        assert len(after[table.source]) == table.published_rows
        assert set(after[table.source]) <= set(before[table.source])
        if not table.quarantined_rows:
            assert after[table.source] == before[table.source], table.source
