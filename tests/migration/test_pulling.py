"""What was published comes back as it was, and what was made on the target comes as SQLite has it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.demo import sample_app
from migrator_tui.migration import decisions_file
from migrator_tui.migration.pulling.pull import PullProgress, pull
from migrator_tui.model.errors import Interrupted, MigratorError
from migrator_tui.model.pull import PullRequest
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target
from tests.migration.comparing_files import contents, sequences, statements
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, session, succeeded, text

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


def test_columns_of_several_storage_classes_need_no_decision_and_come_back(
    make_source: MakeSource, engine: Engine, target: Target, file: Path
) -> None:
    source = make_source(
        """
        CREATE TABLE sizes (id INTEGER PRIMARY KEY, n INTEGER, d NUMERIC, t TEXT, v);
        INSERT INTO sizes VALUES
            (1, 12, 9007199254740993, '12', '12'), (2, 'n/a', 0.5, x'00ff', 12), (3, 2.5, NULL, x'', 2.5),
            (4, '', 2, 'a' || char(0), x'3132'), (5, NULL, '', 'x''00''', -0.0), (6, 7, 9e999, '', 'a' || char(0)),
            (7, 8, 5e-324, CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT));
        CREATE UNIQUE INDEX one_v ON sizes (v);
        """
    )
    outcome = succeeded(engine.migrate(source, target))
    assert {f.column for f in outcome.findings if f.id == "TYPE-MIXED"} == {"n", "d", "t", "v"}

    pulled = pull(PullRequest(file), target)

    same(source, file)
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


def test_rows_that_are_new_on_the_target_come_as_they_can_and_are_listed(
    make_source: MakeSource, engine: Engine, target: Target, file: Path
) -> None:
    source = make_source(MIXED)
    succeeded(engine.migrate(source, target))
    with session(target) as connection:
        connection.execute(
            'INSERT INTO "Shop Items" (name, price, sold, made, day, size, raw) VALUES '
            "('new', 7.25, true, '2026-03-01 10:00:00.5+00', '2026-03-01', 'NaN', '\\x01'), "
            "('old', 3, false, '2026-03-01 10:00:00+00', 'infinity', 'infinity', NULL)"
        )
    pulled = pull(PullRequest(file), target)
    new, old = rows_of(file, 'SELECT price, sold, made, day, size FROM "Shop Items" WHERE id > 2 ORDER BY id')
    assert new == (7.25, "t", "2026-03-01 10:00:00.5+00:00", "01.03.2026", "NaN")
    assert old == (3, "f", "2026-03-01T10:00:00Z", "infinity", float("inf"))
    assert {(item.column, item.cells) for item in pulled.represented} == {("made", 1), ("day", 1), ("size", 1)}


def test_a_table_that_was_changed_since_is_translated_and_keeps_its_codecs(
    make_source: MakeSource, engine: Engine, target: Target, file: Path
) -> None:
    source = make_source(MIXED)
    succeeded(engine.migrate(source, target))
    with session(target) as connection:
        connection.execute('ALTER TABLE "Shop Items" ADD COLUMN stock integer NOT NULL DEFAULT 3')
    pulled = pull(PullRequest(file), target)
    assert {table.table: table.original for table in pulled.tables} == {"Shop Items": False, "words": True}
    found = rows_of(file, 'SELECT id, sold, made, day, typeof(price), stock FROM "Shop Items" ORDER BY id')
    assert found == [
        (1, "t", "2026-01-05T10:00:00Z", "05.01.2026", "real", 3),
        (2, "f", "2026-01-05T10:00:01Z", "06.01.2026", "integer", 3),
    ]
    assert rows_of(file, "PRAGMA foreign_key_check") == []


SHOP = """
    CREATE TYPE mood AS ENUM ('glad', 'it''s sad');
    CREATE DOMAIN share AS numeric(3,2) CHECK (VALUE BETWEEN 0 AND 1);
    CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        email varchar(80) NOT NULL UNIQUE CHECK (email <> ''),
        mood mood DEFAULT 'glad', part share, boss bigint REFERENCES users ON DELETE SET NULL,
        active boolean NOT NULL DEFAULT true, joined timestamptz NOT NULL DEFAULT now(), born date,
        tags text[] NOT NULL DEFAULT '{}', data jsonb DEFAULT '{}', token uuid DEFAULT gen_random_uuid(),
        worth numeric, exact numeric, photo bytea, ratio double precision, net inet, took interval,
        words tsvector, score integer CHECK (score >= 0), twice integer GENERATED ALWAYS AS (score * 2) STORED
    );
    CREATE TABLE orders (
        number integer, line integer, owner bigint NOT NULL REFERENCES users ON DELETE CASCADE
            DEFERRABLE INITIALLY DEFERRED, total numeric(10,2), PRIMARY KEY (number, line)
    );
    CREATE TABLE notes (id serial PRIMARY KEY, number integer, line integer, body text,
        FOREIGN KEY (number, line) REFERENCES orders ON UPDATE CASCADE);
    CREATE INDEX open_orders ON orders (total DESC, (number % 10)) WHERE total > 0;
    CREATE INDEX by_word ON users USING gin (words);
    CREATE UNIQUE INDEX one_email ON users (lower(email));
    INSERT INTO users (email, mood, part, boss, born, tags, data, worth, exact, photo, ratio, net, took, words, score)
    SELECT 'u' || i || '@shop.org', 'it''s sad', 0.5, nullif(i / 2, 0), '2000-02-29', '{a,NULL,"b,c"}',
        '{"k": [1.50, "é"]}', i * 0.5, 12345678901234567890.12345, '\\x00ff', 'NaN', '10.0.0.1/8', '1 day 02:00',
        'a:1 b:2', i FROM generate_series(1, 40) i;
    INSERT INTO orders SELECT i, i % 3, i % 40 + 1, i * 1.25 FROM generate_series(1, 100) i;
    INSERT INTO notes (number, line, body) SELECT i, i % 3, 'note ' || i FROM generate_series(1, 100) i;
"""


@pytest.fixture
def shop(target: Target) -> Target:
    """A database that was made on the target, and never saw SQLite."""
    with session(target) as connection:
        connection.execute(text(SHOP))
    return target


def rows_of(file: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query on a SQLite file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def test_a_schema_made_on_the_target_comes_with_its_types_keys_checks_and_indexes(shop: Target, file: Path) -> None:
    pulled = pull(PullRequest(file), shop)
    (user,) = rows_of(
        file,
        "SELECT mood, typeof(part), part, boss, active, born, tags, json_extract(data, '$.k[1]'), worth, exact, photo, "
        "ratio, net, took, words, twice FROM users WHERE id = 3",
    )
    assert user == (
        "it's sad", "real", 0.5, 1, 1, "2000-02-29", '["a",null,"b,c"]', "é", 1.5, "12345678901234567890.12345",
        b"\x00\xff", "NaN", "10.0.0.1/8", "1 day 02:00:00", "'a':1 'b':2", 6,
    )  # fmt: skip
    assert rows_of(file, "SELECT count(*) FROM users WHERE joined GLOB '????-??-?? *+00:00'") == [(40,)]
    assert rows_of(file, "SELECT name, seq FROM sqlite_sequence ORDER BY 1") == [("notes", 100), ("users", 40)]
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("INSERT INTO users (email) VALUES ('new@shop.org')")
        made = connection.execute(
            "SELECT id, mood, active, tags, data, length(token) FROM users WHERE id > 40"
        ).fetchall()
        assert made == [(41, "glad", 1, "[]", "{}", 36)]
        for refused in (
            "INSERT INTO users (email) VALUES ('')",
            "INSERT INTO users (email) VALUES ('NEW@shop.org')",
            "INSERT INTO users (email, mood) VALUES ('x', 'angry')",
            "INSERT INTO users (email, part) VALUES ('x', 1.5)",
            "INSERT INTO users (email, score) VALUES ('x', -1)",
            "INSERT INTO notes (number, line) VALUES (1, 2)",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(refused)
        connection.execute("DELETE FROM notes")
        connection.execute("DELETE FROM users")
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert [(item.object, item.name) for item in pulled.not_carried] == [("index", "by_word")]
    assert "numeric as text, to the digit" in {item.how for item in pulled.represented if item.column == "exact"}


def test_a_filter_brings_along_what_its_rows_refer_to(shop: Target, file: Path) -> None:
    pulled = pull(PullRequest(file, tables=("notes",), where={"notes": "id = 12"}), shop)
    assert rows_of(file, "SELECT id FROM users ORDER BY 1") == [(1,), (3,), (6,), (13,)]  # and bosses, to the top
    assert rows_of(file, "SELECT number FROM orders") == [(12,)]
    assert {table.table: (table.rows, table.live_rows) for table in pulled.tables} == {
        "notes": (1, 100), "orders": (1, 100), "users": (4, 40),
    }  # fmt: skip
    assert rows_of(file, "PRAGMA foreign_key_check") == []


def test_rows_that_refer_to_a_row_that_a_filter_leaves_out_stay_behind(shop: Target, file: Path) -> None:
    pull(PullRequest(file, where={"users": "id <= 4"}), shop)
    assert rows_of(file, "SELECT count(*) FROM users") == [(4,)]
    assert rows_of(file, "SELECT DISTINCT owner FROM orders ORDER BY 1") == [(1,), (2,), (3,), (4,)]
    assert rows_of(file, "SELECT count(*) FROM notes") == rows_of(file, "SELECT count(*) FROM orders")
    assert rows_of(file, "PRAGMA foreign_key_check") == []


def test_a_redacted_key_still_joins_and_nothing_of_it_is_in_the_file(shop: Target, file: Path) -> None:
    pulled = pull(PullRequest(file, redact=("users.email", "users.id")), shop)
    assert pulled.redacted == ("orders.owner", "users.boss", "users.email", "users.id")
    assert rows_of(file, "SELECT count(*) FROM orders JOIN users ON owner = users.id") == [(100,)]
    assert rows_of(file, "SELECT count(DISTINCT email) FROM users WHERE email GLOB '*?@example.com'") == [(40,)]
    assert rows_of(file, "PRAGMA foreign_key_check") == []
    assert b"shop.org" not in file.read_bytes()


def test_a_seed_gives_the_same_masks_again_and_no_seed_gives_others(shop: Target, tmp_path: Path) -> None:
    masks = []
    for number, seed in enumerate((Secret("s"), Secret("s"), None, None)):
        file = tmp_path / f"{number}.db"
        pull(PullRequest(file, redact=("users.email",), seed=seed), shop)
        masks.append(rows_of(file, "SELECT id, email FROM users ORDER BY 1"))
    assert masks[0] == masks[1]
    assert masks[2] != masks[0] != masks[3] != masks[2]


@pytest.mark.parametrize(
    ("request_of", "id"),
    [
        ({"tables": ("nothing",)}, "PULL-UNKNOWN"),
        ({"redact": ("users.nothing",)}, "PULL-UNKNOWN"),
        ({"redact": ("users.active",)}, "PULL-REDACT"),
        ({"where": {"users": "nothing = 1"}}, "PULL-WHERE"),
        ({"where": {"users": "true); DELETE FROM notes; SELECT (1"}}, "PULL-WHERE"),
        ({"schema": "nothing"}, "TARGET-SCHEMA"),
        ({"schema": "pg_toast"}, "PULL-NO-TABLES"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    shop: Target, file: Path, request_of: dict[str, Any], id: str
) -> None:
    with pytest.raises(MigratorError) as refused:
        pull(PullRequest(file, **request_of), shop)
    assert refused.value.id == id
    assert list(file.parent.glob("pulled*")) == []


def test_a_role_that_may_not_read_a_table_is_told_so(shop: Target, role: Callable[..., Target], file: Path) -> None:
    with pytest.raises(MigratorError) as refused:
        pull(PullRequest(file), role("GRANT SELECT ON notes"))
    assert refused.value.id == "TARGET-PRIVILEGE"
    assert list(file.parent.glob("pulled*")) == []


def test_a_file_that_is_there_is_replaced_only_when_asked_for(shop: Target, file: Path) -> None:
    file.write_bytes(b"precious")
    with pytest.raises(MigratorError) as refused:
        pull(PullRequest(file), shop)
    assert refused.value.id == "PULL-EXISTS"
    assert file.read_bytes() == b"precious"
    pull(PullRequest(file, replace=True), shop)
    assert rows_of(file, "SELECT count(*) FROM users") == [(40,)]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_pull_that_is_stopped_leaves_the_old_file(shop: Target, file: Path) -> None:
    file.write_bytes(b"precious")
    stop = threading.Event()

    def at_the_first_rows(progress: PullProgress) -> None:
        if progress.rows:
            stop.set()

    with pytest.raises(Interrupted):
        pull(PullRequest(file, replace=True), shop, progress=at_the_first_rows, stop=stop)
    assert [path.read_bytes() for path in file.parent.glob("pulled*")] == [b"precious"]


def test_a_pull_that_is_killed_leaves_nothing_and_the_next_one_works(shop: Target, file: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from migrator_tui.migration.pulling.pull import pull\n"
        "from migrator_tui.model.pull import PullRequest\n"
        "from migrator_tui.postgres.connect import Target\n"
        "def kill(progress):\n"
        "    if progress.rows: os.kill(os.getpid(), signal.SIGKILL)\n"
        "pull(PullRequest(Path(sys.argv[1])), Target.parse(sys.argv[2]), progress=kill)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(file), shop.display], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not file.exists()
    pull(PullRequest(file), shop)
    assert rows_of(file, "SELECT count(*) FROM users") == [(40,)]
    assert [path.name for path in file.parent.glob("pulled*")] == ["pulled.db"]


def test_what_is_written_meanwhile_is_not_in_the_file(shop: Target, file: Path) -> None:
    def write(progress: PullProgress) -> None:
        if progress.message == "notes" and progress.rows == 100:
            with session(shop) as connection:
                connection.execute("INSERT INTO users (email) VALUES ('late@shop.org') ON CONFLICT DO NOTHING")

    pull(PullRequest(file), shop, progress=write)
    assert rows_of(file, "SELECT count(*) FROM users") == [(40,)]
    with session(shop) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (41,)


def test_views_are_translated_where_they_mean_the_same(shop: Target, file: Path) -> None:
    with session(shop) as connection:
        connection.execute(
            "CREATE VIEW spent AS SELECT u.email, count(*) AS orders, sum(o.total) AS total FROM users u "
            "LEFT JOIN orders o ON o.owner = u.id WHERE u.active GROUP BY u.email"
        )
        connection.execute("CREATE VIEW great AS SELECT email FROM spent WHERE total > 300 ORDER BY total DESC LIMIT 3")
        connection.execute("CREATE VIEW lost AS SELECT date_trunc('day', joined) AS day FROM users")
        expected = connection.execute("SELECT email FROM great").fetchall()
    pulled = pull(PullRequest(file), shop)
    assert set(pulled.views) == {"spent", "great"}
    assert rows_of(file, "SELECT email FROM great") == expected
    assert [item.name for item in pulled.not_carried if item.object == "view"] == ["lost"]


def test_what_is_computed_from_a_masked_column_tells_nothing_of_it_whatever_the_column_is_called(
    target: Target, file: Path
) -> None:
    with session(target) as connection:
        connection.execute(
            'CREATE TABLE people (id int PRIMARY KEY, "full ""name" text, shown text '
            "GENERATED ALWAYS AS (regexp_replace(\"full \"\"name\", 'x', 'y')) STORED)"
        )
        connection.execute("INSERT INTO people VALUES (1, 'Ann Precious')")
    pulled = pull(PullRequest(file, redact=('people.full "name',)), target)
    assert pulled.redacted == ('people.full "name', "people.shown")
    assert b"Precious" not in file.read_bytes()


def test_a_column_that_the_file_computes_is_masked_by_what_it_is_computed_from_or_refused(
    target: Target, file: Path
) -> None:
    with session(target) as connection:
        connection.execute(
            "CREATE TABLE people (id int PRIMARY KEY, mail text, low text GENERATED ALWAYS AS (lower(mail)) STORED)"
        )
        connection.execute("INSERT INTO people VALUES (1, 'Ann@Precious.org')")
    with pytest.raises(MigratorError) as refused:
        pull(PullRequest(file, redact=("people.low",)), target)
    assert refused.value.id == "PULL-REDACT"
    assert list(file.parent.glob("pulled*")) == []
    pull(PullRequest(file, redact=("people.low", "people.mail")), target)
    assert b"precious" not in file.read_bytes().lower()


def test_a_view_is_carried_only_where_its_tables_have_the_same_rows_in_the_file(target: Target, file: Path) -> None:
    with session(target) as connection:
        connection.execute(
            """
            CREATE SCHEMA elsewhere;
            CREATE TABLE elsewhere.things (id int);
            CREATE TABLE things (id int);
            CREATE VIEW others AS SELECT id FROM elsewhere.things;
            CREATE VIEW ours AS WITH t AS (SELECT id FROM things) SELECT id FROM t;
            CREATE VIEW hidden AS WITH things AS (SELECT 1 AS id) SELECT p.id FROM public.things p, things;
            CREATE TABLE parents (id int);
            CREATE TABLE children () INHERITS (parents);
            CREATE VIEW everybody AS SELECT id FROM parents;
            CREATE TABLE codes (code char(5));
            CREATE VIEW short AS SELECT code FROM codes WHERE code = 'ab';
            INSERT INTO elsewhere.things VALUES (1);
            INSERT INTO things VALUES (2);
            INSERT INTO parents VALUES (1);
            INSERT INTO children VALUES (2);
            INSERT INTO codes VALUES ('ab');
            """
        )
    pulled = pull(PullRequest(file), target)
    assert pulled.views == ("ours",)
    assert rows_of(file, "SELECT id FROM ours") == [(2,)]
    assert rows_of(file, "SELECT id FROM parents UNION ALL SELECT id FROM children") == [(1,), (2,)]
    named = {(item.object, item.name) for item in pulled.not_carried}
    assert named == {
        ("inheritance", "public.parents"), ("view", "others"), ("view", "hidden"), ("view", "everybody"),
        ("view", "short"),
    }  # fmt: skip


def test_partitions_of_a_table_of_another_schema_are_tables_with_their_rows(target: Target, file: Path) -> None:
    with session(target) as connection:
        connection.execute(
            """
            CREATE SCHEMA elsewhere;
            CREATE TABLE elsewhere.events (id int) PARTITION BY LIST (id);
            CREATE TABLE first PARTITION OF elsewhere.events FOR VALUES IN (1);
            CREATE TABLE own (id int) PARTITION BY LIST (id);
            CREATE TABLE own_first PARTITION OF own FOR VALUES IN (1);
            INSERT INTO elsewhere.events VALUES (1);
            INSERT INTO own VALUES (1);
            """
        )
    pulled = pull(PullRequest(file), target)
    assert {table.table: table.rows for table in pulled.tables} == {"first": 1, "own": 1}


def test_a_column_that_counts_but_is_not_the_key_is_named(target: Target, file: Path) -> None:
    with session(target) as connection:
        connection.execute("CREATE TABLE counted (word text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)")
    pulled = pull(PullRequest(file), target)
    assert [(item.object, item.name) for item in pulled.not_carried] == [("identity", "counted.n")]


def test_foreign_keys_that_hold_by_an_equality_that_sqlite_lacks_are_pulled_and_said(
    target: Target, file: Path
) -> None:
    with session(target) as connection:
        connection.execute(
            """
            CREATE TABLE codes (code char(5) PRIMARY KEY);
            CREATE TABLE uses (code char(8) REFERENCES codes);
            CREATE TABLE spans (span interval PRIMARY KEY);
            CREATE TABLE days (span interval REFERENCES spans);
            INSERT INTO codes VALUES ('ab');
            INSERT INTO uses VALUES ('ab');
            INSERT INTO spans VALUES ('1 day');
            INSERT INTO days VALUES ('24 hours');
            """
        )
    pulled = pull(PullRequest(file), target)
    assert rows_of(file, "SELECT code FROM uses") == [("ab      ",)]
    assert rows_of(file, "SELECT span FROM days") == [("24:00:00",)]
    assert {note.split(":")[0] for note in pulled.notes} == {"uses", "days"}


def test_foreign_keys_every_way_and_long_rows_of_them_end(target: Target, file: Path) -> None:
    tables, chain = range(16), range(1100)
    with session(target) as connection:
        connection.execute(
            ";".join(
                [f"CREATE TABLE d{n} (id int PRIMARY KEY, {', '.join(f'r{m} int' for m in tables)})" for n in tables]
                + [f"ALTER TABLE d{n} ADD FOREIGN KEY (r{m}) REFERENCES d{m}" for n in tables for m in tables]
                + [f"INSERT INTO d{n} (id) VALUES (1), (2)" for n in tables]
                + [f"UPDATE d{n} SET r0 = id" for n in tables]
            )
        )
        for n in chain:
            connection.execute(f"CREATE TABLE c{n} (id int PRIMARY KEY, up int REFERENCES c{max(0, n - 1)})")
            connection.execute(f"INSERT INTO c{n} VALUES (1, 1), (2, 2)")
    pulled = pull(PullRequest(file, where={"d0": "id = 1", "c0": "id = 1"}), target)
    rows = {table.table: table.rows for table in pulled.tables}
    assert {rows[f"d{n}"] for n in tables} == {1}
    # What lies far below a condition comes whole, and what it refers to comes along.
    assert rows["c1099"] == rows["c0"] == 2
    assert rows_of(file, "PRAGMA foreign_key_check") == []


def test_masks_that_are_alike_where_values_must_differ_are_said_and_leave_nothing(target: Target, file: Path) -> None:
    with session(target) as connection:
        connection.execute("CREATE TABLE days (day date PRIMARY KEY)")
        connection.execute("INSERT INTO days SELECT date '1900-01-01' + n FROM generate_series(1, 5000) n")
    with pytest.raises(MigratorError) as refused:
        pull(PullRequest(file, redact=("days.day",)), target)
    assert refused.value.id == "PULL-UNIQUE"
    assert "days.day" in refused.value.message
    assert list(file.parent.glob("pulled*")) == []
