"""What databases over the traps are drawn from: names, declared types, defaults, expressions, values, choices."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

Cell = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class BadText:
    """A text whose bytes are not UTF-8, which only SQL can store."""

    raw: bytes


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
    "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))", "(strftime('%Y-%m-%dT%H:%M:%fZ', CURRENT_TIMESTAMP))", "'yes'", "'Y'",
    "(datetime('now', '+1 day'))", "(quote('a'))", "(zeroblob(4))", "(hex('a'))", "(CAST('a' AS BLOB))", "(round(2.5))",
    "(CAST('7' AS INTEGER))", "(1/0)", "(5/2)", "1_000", "(typeof(1))", "(printf('%d', 3))", "(like('a','A'))",
)  # fmt: skip

# Of NULL, json_valid is 0 or NULL by SQLite's version, and Python's is not always the one that reads the bulk.
EXPRESSIONS = (
    "{0} > 0", "{0} <> ''", "length({0}) < 100", "{0} IS NOT NULL", "{0} IN ('a', 'b', 't', 'f')", "{0} IN (0, 1)",
    "{0} LIKE 'a%'", "{0} GLOB '[a-z]*'", "typeof({0}) = 'integer'", "{0} = {1}", "{0} BETWEEN 0 AND 10",
    "{0} + {1}", "{0} || {1}", "lower({0})", "upper({0}) || '-'", "abs({0})", "{0} * 2", "CAST({0} AS INTEGER)",
    "coalesce({0}, {1}, 0)", "substr({0}, 1, 3)", "CASE WHEN {0} THEN 1 ELSE 0 END", "{0} % 7", "{0} / 2",
    "strftime('%Y', {0})", "json_extract({0}, '$.a')", "{0} IS {1}", "NOT {0}", "-{0}", "{0} COLLATE NOCASE = 'a'",
    "round({0}, 1)", "instr({0}, 'a')", "trim({0})", "hex({0})", "date({0})", "{0} & 1", "iif({0}, 1, 2)", "{0}",
    "1", "{0} == {1}", "nullif({0}, '')", "replace({0}, 'a', 'b')",
    "unicode({0})", "max({0}, {1})", "({0}, {1}) > (0, 1)",
    "{0} * {1}", "quote({0})", "CAST({0} AS TEXT)", "CAST({0} AS REAL)", "CAST({0} AS BLOB)", "{0} = 1", "{0} = '1'",
    "{0} > '5'", "{0} IN ('1', 2)", "{0} IS NOT {1}", "{0} BETWEEN {1} AND 9",
    "{0} LIKE 'a!%' ESCAPE '!'",
    "strftime('%s', {0})", "datetime({0})", "julianday({0})", "date({0}, '+1 month')", "{0} >= '2026-01-01'",
    "CASE {0} WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "{0} >> 1", "{0} | 4", "{0} % {1}", "{0} / {1}", "total({0}) > 0",
    "printf('%05d', {0})", "char(97) = {0}", "json_valid(ifnull({0}, ''))", "json_array_length({0})", "{0} ->> '$.a'",
    "rtrim({0}, 'a')",
    "ltrim({0})", "substr({0}, -2)", "typeof({0}) IN ('text', 'null')", "{0} NOT IN ('x', 'y')", "{0} NOT LIKE '%z'",
    "{0} REGEXP 'a'", "{0} << 2", "~{0}", "{0} -> 'a'", "likely({0} > 1)", "{0} NOTNULL", "ifnull({0}, 'x')",
)  # fmt: skip

LONG_TEXTS = tuple("".join(Random(n).choices("abcdefghij0123456789 ", k=4000)) for n in range(2))
"""Longer than an entry of an index may be, and not to be compressed below it."""

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
    "a ", "a  ", *LONG_TEXTS,
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
        "yesno": st.sampled_from(["yes", "no"]), "yn": st.sampled_from(["Y", "N"]),
        "onoff": st.sampled_from(["on", "off"]),
        "zulu": st.datetimes().map(lambda d: d.isoformat("T", "seconds") + "Z"),
        "zoned": st.datetimes().map(lambda d: d.isoformat(" ", "milliseconds") + "+02:00"),
        "fractions": st.datetimes().map(lambda d: d.isoformat(" ", "microseconds")),
        "shapes": st.one_of(moments, st.dates().map(str), st.sampled_from(["0000-00-00", "", "05.01.2026"])),
        "upper uuids": st.uuids().map(lambda u: str(u).upper()), "hex uuids": st.uuids().map(lambda u: u.hex),
        "uuid blobs": st.uuids().map(lambda u: u.bytes), "paths": st.integers(0, 9).map(lambda n: f"uploads/{n}.png"),
        "emails": st.sampled_from(["ann@example.org", "Ann@Example.org", "bob@example.org"]),
        "microseconds": st.integers(10**15, 2 * 10**15), "cocoa": st.integers(0, 9 * 10**8),
        "webkit": st.integers(13 * 10**15, 14 * 10**15),
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
    "yesno", "yn", "onoff", "zulu", "zoned", "fractions", "shapes", "upper uuids", "hex uuids", "uuid blobs",
    "paths", "emails", "microseconds", "cocoa", "webkit", "truefalse", "dates", "uuids", "seconds", "milliseconds",
    "julian", "digits", "json", "mixed",
)  # fmt: skip

CONSTRAINTS = (
    "NOT NULL", "UNIQUE", "COLLATE NOCASE", "COLLATE RTRIM", "NOT NULL ON CONFLICT IGNORE", "NULL",
    "UNIQUE ON CONFLICT REPLACE", "UNIQUE COLLATE NOCASE", "NOT NULL DEFAULT ''", "/* a; comment */", "COLLATE BINARY",
)  # fmt: skip

CHOICES = {
    "VALUE-NUL": ("bytea", "quarantine"), "VALUE-UTF8": ("bytea", "quarantine", "replace"),
    "TYPE-MIXED": ("text", "quarantine"), "TYPE-EPOCH": ("epoch-s", "epoch-ms", "epoch-us", "cocoa", "webkit"),
    "TYPE-UUID": ("text", "uuid", "bytea"), "TYPE-JSON": ("jsonb", "json", "text"),
    "DATE-MIXED": ("timestamp", "quarantine"), "KEY-NULL": ("quarantine",), "KEY-CASE": ("quarantine",),
    "FK-ORPHAN": ("quarantine",), "FK-SPELLING": ("quarantine",), "CHECK-ENUM": ("enum",),
    "COLLATION-NOT-CARRIED": ("exact", "citext"), "NOT-NULL-BROKEN": ("quarantine",),
    "TABLE-VIRTUAL": ("search", "skip"),
}  # fmt: skip
"""Choices beside the recommended ones."""

VIRTUAL = (
    "CREATE VIRTUAL TABLE {0} USING fts5({1}, b, tokenize = 'porter')", "CREATE VIRTUAL TABLE {0} USING fts4({1}, b)",
    "CREATE VIRTUAL TABLE {0} USING rtree(id, {1}, b)", "CREATE VIRTUAL TABLE {0} USING fts5({1}, content = '')",
)  # fmt: skip

ACTIONS = (
    "", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON UPDATE CASCADE ON DELETE RESTRICT", "ON DELETE SET DEFAULT",
    "DEFERRABLE INITIALLY DEFERRED", "MATCH FULL", "DEFERRABLE",
)  # fmt: skip
