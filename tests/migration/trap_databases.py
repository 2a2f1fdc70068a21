"""Databases over the traps: random schemas, declared types, storage classes, names, defaults, constraints.

A database is drawn as statements. What SQLite itself refuses is passed over, so a statement may be as odd as it likes.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hypothesis import strategies as st

from tests.migration.trap_values import (
    ACTIONS,
    CHOICES,
    CONSTRAINTS,
    DEFAULTS,
    EXPRESSIONS,
    KINDS,
    NAMES,
    TYPES,
    VIRTUAL,
    BadText,
    Cell,
    cells,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn database: statements, and rows as ``(INSERT, cells)``; and how it is to be migrated.

    Attributes:
        names: Policy of the names on the target.
        choices: Kind of finding → the choice that is taken, where a finding offers it.
    """

    pragmas: tuple[str, ...]
    statements: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | BadText, ...]], ...]
    late: tuple[str, ...]
    names: Literal["keep", "snake_case"] = "keep"
    choices: tuple[tuple[str, str], ...] = ()

    def build(self, path: Path) -> Path:
        """The file."""
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for pragma in self.pragmas:
                connection.execute(pragma)
            connection.execute("BEGIN")
            for statement in self.statements:
                attempt(connection, statement)
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                try:
                    connection.execute(f"SELECT * FROM {quoted(name)}")
                except sqlite3.Error:  # generated columns in a circle: SQLite itself cannot read it
                    attempt(connection, f"DROP TABLE {quoted(name)}")
            for insert, cells in self.rows:
                marks = ", ".join("CAST(? AS TEXT)" if isinstance(c, BadText) else "?" for c in cells)
                attempt(connection, insert.format(marks), [c.raw if isinstance(c, BadText) else c for c in cells])
            for statement in self.late:
                attempt(connection, statement)
            if connection.in_transaction:  # some errors end it
                connection.execute("COMMIT")
        return path

    def script(self) -> str:
        """For a person who wants to see it happen."""
        lines = [*self.pragmas, *self.statements]
        lines += [insert.format(", ".join(_literal(c) for c in cells)) for insert, cells in self.rows]
        return ";\n".join([*lines, *self.late]) + f"; -- {self.names} {dict(self.choices)}"


def attempt(connection: sqlite3.Connection, statement: str, cells: Sequence[object] = ()) -> None:
    """Execute what SQLite may refuse."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute(statement, cells)


def _literal(cell: Cell | BadText) -> str:
    if isinstance(cell, BadText):
        return f"CAST(x'{cell.raw.hex()}' AS TEXT)"
    if cell is None:
        return "NULL"
    if isinstance(cell, bytes):
        return f"x'{cell.hex()}'"
    if isinstance(cell, str):
        return f"CAST(x'{cell.encode().hex()}' AS TEXT)" if "\0" in cell else "'" + cell.replace("'", "''") + "'"
    if isinstance(cell, float):
        return {"inf": "9e999", "-inf": "-9e999", "nan": "NULL"}.get(str(cell), repr(cell))
    return str(cell)


def quoted(name: str) -> str:
    """A name as SQLite quotes it."""
    return '"' + name.replace('"', '""') + '"'


@st.composite
def databases(draw: st.DrawFn, tables: int = 3) -> Drawn:
    """A database of up to so many tables, with what belongs to them."""
    names = draw(st.lists(_names(), min_size=1 + tables // 4, max_size=tables, unique_by=str.lower))
    columns = [draw(st.lists(_names(), min_size=1, max_size=5, unique_by=str.lower)) for _ in names]
    statements: list[str] = []
    rows: list[tuple[str, tuple[Cell | BadText, ...]]] = []
    late: list[str] = []
    for name, own in zip(names, columns, strict=True):
        parts, kinds = [], []
        key = draw(st.sampled_from(["rowid", "auto", "one", "composite", "none", "none"]))
        strict = draw(st.integers(0, 7)) == 0
        for position, column in enumerate(own):
            part = [quoted(column)]
            if position == 0 and key in ("rowid", "auto"):
                part.append("INTEGER PRIMARY KEY" + (" AUTOINCREMENT" if key == "auto" else ""))
                parts.append(" ".join(part))
                kinds.append(draw(st.sampled_from(["integers", "small", "small"])))
                continue
            strict_types = ("INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY")
            part.append(draw(st.sampled_from(strict_types if strict else TYPES)))
            kinds.append(draw(st.sampled_from(KINDS)))
            if position == 0 and key == "one":
                part.append("PRIMARY KEY" + draw(st.sampled_from(["", "", " DESC", " COLLATE NOCASE"])))
            part += draw(st.lists(st.sampled_from(CONSTRAINTS), max_size=1)) if draw(st.integers(0, 2)) == 0 else []
            # A computed value of another class in a STRICT table is read by some releases of SQLite and not by others.
            computed = "check" if strict else "generated"
            extra = draw(st.sampled_from(["", "", "", "default", "default", "check", computed, "references"]))
            if extra == "default":
                part.append(f"DEFAULT {draw(st.sampled_from(DEFAULTS))}")
            elif extra == "check":
                part.append(f"CHECK ({_expression(draw, own)})")
            elif extra == "generated":
                kind = draw(st.sampled_from(["", "STORED", "VIRTUAL"]))
                part.append(f"GENERATED ALWAYS AS ({_expression(draw, own)}) {kind}")
                kinds[-1] = "generated"
            elif extra == "references":
                part.append(_reference(draw, names, columns))
                kinds[-1] = draw(st.sampled_from(["small", "small", kinds[-1]]))
            parts.append(" ".join(p for p in part if p))
        several = draw(st.permutations(own))[:2]
        listed = ", ".join(map(quoted, several))
        if key == "composite":
            parts.append(f"PRIMARY KEY ({listed})")
        more = draw(st.sampled_from(["", "", "", "unique", "check", "fk", "fk"]))
        if more == "unique":
            parts.append(f"CONSTRAINT {quoted(draw(_names()))} UNIQUE ({listed})")
        elif more == "check":
            parts.append(f"CONSTRAINT {quoted(draw(_names()))} CHECK ({_expression(draw, own)})")
        elif more == "fk":
            parent = draw(st.integers(0, len(names) - 1))
            theirs = ", ".join(map(quoted, draw(st.permutations(columns[parent]))[: len(several)]))
            parts.append(f"FOREIGN KEY ({listed}) REFERENCES {quoted(names[parent])} ({theirs})")
        options = [o for o, on in (("STRICT", strict), ("WITHOUT ROWID", draw(st.integers(0, 5)) == 0)) if on]
        statements.append(f"CREATE TABLE {quoted(name)} ({', '.join(parts)}) {', '.join(options)}")
        filled = [(c, k) for c, k in zip(own, kinds, strict=True) if k != "generated"]
        if filled:
            into = ", ".join(quoted(c) for c, _ in filled)
            insert = f"INSERT INTO {_escaped(quoted(name))} ({_escaped(into)}) VALUES ({{}})"
            drawn = draw(st.lists(st.tuples(*(cells(k) for _, k in filled)), max_size=6))
            rows += [(insert, row) for row in drawn]
        late += [_late(draw, name, own) for _ in range(draw(st.integers(0, 2)))]
    if draw(st.integers(0, 9)) == 0:
        module = draw(st.sampled_from(VIRTUAL)).replace("{0}", "searched").replace("{1}", quoted(draw(_names())))
        late += [module, "INSERT INTO searched VALUES (1, 2, 3)", "INSERT INTO searched VALUES ('a b', 'c')"]
    encoding = draw(st.sampled_from([*[""] * 12, "UTF-16le", "UTF-16be"]))
    pragmas = [f"PRAGMA encoding = '{encoding}'"] if encoding else []
    pragmas += [
        draw(st.sampled_from(["PRAGMA user_version = 7", "PRAGMA journal_mode = WAL", "PRAGMA page_size = 512"]))
    ]
    policy: Literal["keep", "snake_case"] = draw(st.sampled_from(["keep", "keep", "keep", "snake_case"]))
    asked = draw(st.lists(st.sampled_from(sorted(CHOICES)), max_size=8, unique=True)) if draw(st.booleans()) else []
    choices = tuple((kind, draw(st.sampled_from(CHOICES[kind]))) for kind in asked)
    return Drawn(tuple(pragmas), tuple(statements), tuple(rows), tuple(late), policy, choices)


def _names() -> st.SearchStrategy[str]:
    odd = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
    return st.one_of(st.sampled_from(NAMES[:6]), st.sampled_from(NAMES), odd).filter(
        # SQLite itself cannot name a column true or false in a subquery.
        lambda n: not n.lower().startswith("sqlite_") and n.lower() not in ("true", "false")
    )


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _expression(draw: st.DrawFn, columns: Sequence[str]) -> str:
    one, other = draw(st.sampled_from(columns)), draw(st.sampled_from(columns))
    return draw(st.sampled_from(EXPRESSIONS)).replace("{0}", quoted(one)).replace("{1}", quoted(other))


def _reference(draw: st.DrawFn, names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    action = draw(st.sampled_from(ACTIONS))
    if draw(st.integers(0, 6)) == 0:
        return f"REFERENCES {quoted('missing')} (id) {action}"
    parent = draw(st.integers(0, len(names) - 1))
    to = draw(st.sampled_from(["", f"({quoted(columns[parent][0])})"]))
    return f"REFERENCES {quoted(names[parent])} {to} {action}"


def _late(draw: st.DrawFn, name: str, columns: Sequence[str]) -> str:
    made, table = quoted(draw(_names())), quoted(name)
    one, other = quoted(draw(st.sampled_from(columns))), quoted(draw(st.sampled_from(columns)))
    expression = _expression(draw, columns)
    return draw(
        st.sampled_from(
            [
                f"CREATE INDEX {made} ON {table} ({one})",
                f"CREATE INDEX {made} ON {table} ({one} DESC, {other} COLLATE NOCASE)",
                f"CREATE UNIQUE INDEX {made} ON {table} ({one}) WHERE {expression}",
                f"CREATE UNIQUE INDEX {made} ON {table} ({one})",
                f"CREATE INDEX {made} ON {table} ({expression})",
                f"CREATE VIEW {made} AS SELECT * FROM {table}",
                f"CREATE VIEW {made} AS SELECT {one} AS x, {expression} AS y FROM {table} WHERE {expression}",
                f"CREATE VIEW {made} AS SELECT {one}, count(*) FROM {table} GROUP BY 1 ORDER BY 2",
                f"CREATE VIEW {made} AS SELECT * FROM missing",
                f"CREATE VIEW {made} (p, {one}) AS SELECT a.{one}, b.{other} FROM {table} a LEFT JOIN {table} b "
                f"ON a.{one} = b.{other}",
                f"CREATE VIEW seen AS SELECT DISTINCT {one} AS o FROM {table} "
                f"WHERE {one} IN (SELECT {other} FROM {table})",
                f"CREATE VIEW {made} AS SELECT o FROM seen UNION ALL SELECT {one} FROM {table} ORDER BY 1 LIMIT 3",
                f"CREATE VIEW {made} AS WITH c AS (SELECT {one} AS q FROM {table}) "
                "SELECT max(q), min(q), count(q) FROM c",
                f"CREATE VIEW {made} AS SELECT {one}, sum({other}), avg({other}), group_concat({other}) FROM {table} "
                f"GROUP BY {one} HAVING count(*) > 0",
                f"CREATE VIEW {made} AS SELECT rowid AS r, {expression} AS e FROM {table}",
                f"CREATE TRIGGER {made} INSTEAD OF DELETE ON seen BEGIN DELETE FROM {table}; END",
                f"CREATE INDEX {made} ON {table} (lower({one}), {other} COLLATE RTRIM)",
                f"CREATE INDEX {made} ON {table} ({one}) WHERE {other} IS NOT NULL",
                f"ALTER TABLE {table} ADD COLUMN {made} {draw(st.sampled_from(TYPES))} DEFAULT "
                + draw(st.sampled_from(DEFAULTS)),
                f"ALTER TABLE {table} RENAME COLUMN {one} TO {made}",
                f"ALTER TABLE {table} RENAME TO {made}",
                f"ALTER TABLE {table} DROP COLUMN {one}",
                f"UPDATE {table} SET {one} = {other}",
                f"INSERT OR IGNORE INTO {table} ({one}) SELECT {other} || {one} FROM {table}",
                f"CREATE TRIGGER {made} AFTER INSERT ON {table} BEGIN SELECT 1; END",
                f"DELETE FROM {table} WHERE {one} = (SELECT max({one}) FROM {table})",
            ]
        )
    )
