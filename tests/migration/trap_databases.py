"""Databases over the traps: random schemas, declared types, storage classes, names, defaults, constraints.

A database is drawn as statements. What SQLite itself refuses is passed over, so a statement may be as odd as it likes.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

Cell = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class BadText:
    """A text whose bytes are not UTF-8, which only SQL can store."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn database: statements, and rows as ``(INSERT, cells)``."""

    pragmas: tuple[str, ...]
    statements: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | BadText, ...]], ...]
    late: tuple[str, ...]

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
        return ";\n".join([*lines, *self.late]) + ";"


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


NAMES = (
    "a", "b", "c", "id", "name", "A", "Name", "user", "order", "select", "table", "group", "ctid", "xmin", "oid",
    "rowid", "_rowid_", "_mt_src", "na me", "na.me", 'na"me', "na'me", "größe", "Größe", "名前", "🙂", "", " ", "%s",
    "{0}", "x" * 63, "x" * 64, "x" * 70 + "1", "x" * 70 + "2", "ü" * 40, "tableoid", "current_user", "1st", "a-b",
    "a;b", "pg_class", "users", "public", "\\", "a\tb", "$1", ":a", "?",
)  # fmt: skip
"""Names that have gone wrong somewhere."""

TYPES = (
    "", "INTEGER", "INT", "BIGINT", "TINYINT(1)", "UNSIGNED BIG INT", "INT8", "SMALLINT", "TEXT", "VARCHAR(5)",
    "VARCHAR(255)", "NVARCHAR(3)", "CHAR", "CHARACTER(20)", "CLOB", "REAL", "DOUBLE", "DOUBLE PRECISION", "FLOAT",
    "NUMERIC", "NUMERIC(10,2)", "DECIMAL(5,2)", "DECIMAL(4)", "DECIMAL(50,30)", "DECIMAL(2,5)", "MONEY", "BOOLEAN",
    "BOOL", "DATE", "DATETIME", "TIMESTAMP", "TIME", "TIMESTAMPTZ", "YEAR", "JSON", "JSONB", "UUID", "GUID", "BLOB",
    "BINARY(16)", "VARBINARY", "STRING", "foo", "integr", "INTEGER UNSIGNED", "FLOATING POINT", "ENUM", "ANY",
    "timestamp with time zone", "GEOMETRY", "INT[]", "DECIMAL(-1,2)", "VARCHAR(0)", "VARCHAR(99999999999)", "SERIAL",
)  # fmt: skip
"""Declared types: odd, missing, misspelt."""

DEFAULTS = (
    "NULL", "0", "1", "-1", "+1", "1.5", "'x'", "''", "'null'", "'t'", "'true'", "TRUE", "FALSE", "CURRENT_TIMESTAMP",
    "CURRENT_DATE", "CURRENT_TIME", "(datetime('now'))", "(datetime('now','localtime'))", "(strftime('%s','now'))",
    "(date('now'))", "(hex(randomblob(16)))", "(lower(hex(randomblob(4))))", '"dq"', "x'00ff'", "(1+2)", "(random())",
    "9223372036854775807", "-9223372036854775808", "1e999", "(abs(-3))", "'2026-01-05'", "current_timestamp", "([])",
    "('a' || 'b')", "(julianday('now'))", "(unixepoch())", "'{}'", "'a''b'", "0x1F", "(NULL)", "('a\\b')", "''''",
    "(CAST('7' AS INTEGER))", "(1/0)", "(5/2)", "1_000", "(typeof(1))", "(printf('%d', 3))", "(like('a','A'))",
)  # fmt: skip

EXPRESSIONS = (
    "{0} > 0", "{0} <> ''", "length({0}) < 100", "{0} IS NOT NULL", "{0} IN ('a', 'b', 't', 'f')", "{0} IN (0, 1)",
    "{0} LIKE 'a%'", "{0} GLOB '[a-z]*'", "typeof({0}) = 'integer'", "{0} = {1}", "{0} BETWEEN 0 AND 10",
    "{0} + {1}", "{0} || {1}", "lower({0})", "upper({0}) || '-'", "abs({0})", "{0} * 2", "CAST({0} AS INTEGER)",
    "coalesce({0}, {1}, 0)", "substr({0}, 1, 3)", "CASE WHEN {0} THEN 1 ELSE 0 END", "{0} % 7", "{0} / 2",
    "strftime('%Y', {0})", "json_extract({0}, '$.a')", "{0} IS {1}", "NOT {0}", "-{0}", "{0} COLLATE NOCASE = 'a'",
    "round({0}, 1)", "instr({0}, 'a')", "trim({0})", "hex({0})", "date({0})", "{0} & 1", "iif({0}, 1, 2)", "{0}",
    "1", "{0} == {1}", "nullif({0}, '')", "replace({0}, 'a', 'b')",
    "unicode({0})", "max({0}, {1})", "({0}, {1}) > (0, 1)",
    "{0} REGEXP 'a'", "{0} << 2", "~{0}", "{0} -> 'a'", "likely({0} > 1)", "{0} NOTNULL", "ifnull({0}, 'x')",
)  # fmt: skip

TEXTS = (
    "", "a", "A", "b", "t", "f", "true", "false", "yes", "0", "1", "01", "1.50", "-0", "1e5", " 1", "n/a",
    "null", "NULL",
    "2026-01-05", "2026-01-05 10:00:00", "2026-01-05T10:00:00Z", "2026-01-05T10:00:00.250+02:00", "0000-00-00",
    "0000-00-00 00:00:00", "2026-02-30", "05.01.2026", "01/05/2026", "20260105", "20260105100000", "0001-01-01",
    "9999-12-31", "9999-12-31 23:59:59", "24:00:00", "10:00", "2026-01-05 10:00", "2026-01-05 24:00:00", "12:30:45",
    "2026-01-05 10:00:00.123456", "2026-01-05 10:00:00.1234567", "infinity", "now", "epoch", "NaN", "Infinity",
    '{"a": 1}', '{"a": 1, "a": 2}', "[1.10]", '{"a": 1e400}', '{"a":"\\u0000"}', '"x"', "{", "[]", "{}", "[-0.0]",
    "123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000",
    "{123e4567e89b12d3a456426614174000}",
    "\0", "a\0b", "ß", "Ä", "ä", "\u00e9", "e\u0301", "🙂", "\ufeffx", "\ufffd", "x" * 300, "\\N", "\t", "\n",
    "a ", "a  ",
    "9223372036854775808", "99999999999999999999", "\x7f", "\u2028", "'", '"', "\\", "%", "İ", "ı",
)  # fmt: skip

INTEGERS = (
    0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 - 1,
    2**53, 2**53 + 1,
    -(2**53) - 1, 2**63 - 1, -(2**63), 20260105, 1767607200, 1767607200000, 1767607200000000, 2461045, 99999999999999,
    253402300800, -62135596801, 10**15, 10**18, 13412080800000000, 789300000,
)  # fmt: skip

REALS = (
    0.0, -0.0, 0.1, 1.5, -1.5, 1.0, 1e15, 1e16, 1e18, 9.3e18, 1e300, -1e300, 5e-324, 2.2250738585072014e-308, 1e-7,
    float("inf"), float("-inf"), 0.30000000000000004, 123456789.123456789, 2461045.5, 1767607200.25, 99.99,
    9007199254740993.0,
    1 / 3, 1e22, 1e23, 4.35, 1e-5,
)  # fmt: skip

BLOBS = (b"", b"\0", b"a", b"\xff\xfe", b"abc", bytes(16), bytes(range(256)), b"\\x00", b"SQLite format 3\0")
BAD_TEXTS = (b"caf\xe9", b"\xff", b"\xc3", b"a\x00\xff", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80")


def cells(kind: str) -> st.SearchStrategy[Cell | BadText]:
    """Values of a column that holds mostly one kind."""
    integers: st.SearchStrategy[Cell | BadText] = st.one_of(
        st.sampled_from(INTEGERS), st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1)
    )
    reals: st.SearchStrategy[Cell | BadText] = st.one_of(
        st.sampled_from(REALS),
        st.floats(allow_nan=False),
        st.decimals(-9999, 9999, places=2).map(float),
        st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("d", struct.pack("Q", n))[0]).filter(lambda x: x == x),
    )
    texts: st.SearchStrategy[Cell | BadText] = st.one_of(
        st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    )
    blobs: st.SearchStrategy[Cell | BadText] = st.one_of(st.sampled_from(BLOBS), st.binary(max_size=20))
    bad: st.SearchStrategy[Cell | BadText] = st.sampled_from(BAD_TEXTS).map(BadText)
    moments: st.SearchStrategy[Cell | BadText] = st.datetimes().map(lambda d: d.isoformat(" ", "seconds"))
    one = {
        "integers": integers, "small": st.integers(0, 3), "flags": st.sampled_from([0, 1]), "reals": reals,
        "texts": texts, "blobs": blobs, "bad": st.one_of(bad, texts), "moments": moments,
        "numbers": st.one_of(integers, reals), "decimals": st.decimals(-99, 99, places=2).map(float),
        "tf": st.sampled_from(["t", "f"]), "truefalse": st.sampled_from(["true", "false"]),
        "dates": st.dates().map(str), "uuids": st.uuids().map(str),
        "seconds": st.integers(10**9, 2 * 10**9), "milliseconds": st.integers(10**12, 2 * 10**12),
        "julian": st.floats(2400000, 2500000), "digits": st.integers(0, 999).map(str),
        "json": st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
            max_leaves=4,
        ).map(json.dumps),
        "mixed": st.one_of(integers, reals, texts, blobs, bad),
    }[kind]  # fmt: skip
    return st.one_of(one, one, one, st.none())


KINDS = (
    "integers", "small", "small", "flags", "reals", "texts", "texts", "blobs", "bad", "moments", "numbers",
    "decimals", "tf",
    "truefalse", "dates", "uuids", "seconds", "milliseconds", "julian", "digits", "json", "mixed",
)  # fmt: skip

CONSTRAINTS = ("NOT NULL", "UNIQUE", "COLLATE NOCASE", "COLLATE RTRIM", "NOT NULL ON CONFLICT IGNORE", "NULL")
ACTIONS = (
    "", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON UPDATE CASCADE ON DELETE RESTRICT", "ON DELETE SET DEFAULT",
    "DEFERRABLE INITIALLY DEFERRED", "MATCH FULL", "DEFERRABLE",
)  # fmt: skip


@st.composite
def databases(draw: st.DrawFn) -> Drawn:
    """A database of up to three tables, with what belongs to them."""
    names = draw(st.lists(_names(), min_size=1, max_size=3, unique_by=str.lower))
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
                kinds.append("integers")
                continue
            strict_types = ("INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY")
            part.append(draw(st.sampled_from(strict_types if strict else TYPES)))
            kinds.append(draw(st.sampled_from(KINDS)))
            if position == 0 and key == "one":
                part.append("PRIMARY KEY" + draw(st.sampled_from(["", "", " DESC", " COLLATE NOCASE"])))
            part += draw(st.lists(st.sampled_from(CONSTRAINTS), max_size=1)) if draw(st.integers(0, 2)) == 0 else []
            extra = draw(st.sampled_from(["", "", "", "default", "default", "check", "generated", "references"]))
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
    pragmas = ("PRAGMA encoding = 'UTF-16le'",) if draw(st.integers(0, 12)) == 0 else ()
    return Drawn(pragmas, tuple(statements), tuple(rows), tuple(late))


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
                f"CREATE TRIGGER {made} AFTER INSERT ON {table} BEGIN SELECT 1; END",
                f"DELETE FROM {table} WHERE {one} = (SELECT max({one}) FROM {table})",
            ]
        )
    )
