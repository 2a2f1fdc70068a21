"""An auditor of runs that believes nothing the program concluded.

It reads both ends by itself (``sqlite3`` and ``pragma`` here, ``psycopg`` and ``pg_catalog`` there) and takes from the
program only what it has to: which target column a source column became and by which codec, and the findings, by
which the program may own up to what is not carried. Every codec's meaning is written down here a second time.
"""

from __future__ import annotations

import json
import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

from migrator_tui.postgres.connect import Target
from tests.migration.running import Connection, rows, session

Finding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """A table's target and its columns' targets and codecs, as the ledger on the target has them."""

    schema: str
    name: str
    columns: Mapping[str, tuple[str, str]]


def audit(source: Path, target: Target, document: Mapping[str, Any]) -> list[str]:
    """What is wrong, in words; empty where all is as it has to be.

    Args:
        document: The JSON document of the run, which made all its tables anew.
    """
    with closing(sqlite3.connect(source)) as file, session(target) as connection:
        file.text_factory = bytes
        return list(_Audit(file, connection, document).complaints())


def json_columns(target: Target, run: str) -> set[tuple[str, str]]:
    """Columns that are JSON by value, whose text may come back otherwise."""
    with session(target) as connection:
        return {
            (table, column)
            for table, way in _ways(connection, run).items()
            for column, (_, codec) in way.columns.items()
            if codec == "jsonb"
        }


def _ways(connection: Connection, run: str) -> dict[str, Way]:
    found = rows(connection, "SELECT detail FROM migrator.step WHERE name = 'origin' AND run = %s", run)
    ways = {}
    for (detail,) in found:
        for table in detail["tables"]:
            schema, name = table["target"]
            columns = {source: (column, codec) for source, column, _, _, codec in table["columns"]}
            ways[table["source"]] = Way(schema, name, columns)
    return ways


class _Audit:
    def __init__(self, file: sqlite3.Connection, connection: Connection, document: Mapping[str, Any]) -> None:
        self._file = file
        self._connection = connection
        self._findings: list[Finding] = document["findings"]
        self._outcomes = {table["source"]: table for table in document["tables"]}
        self._ways = _ways(connection, document["run"])
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET DateStyle = 'ISO'")

    def complaints(self) -> Iterable[str]:
        for kind, name, owner, sql in self._select(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid"
        ):
            if name.startswith("sqlite_"):
                continue
            if kind == "table":
                yield from self._table(name, sql)
            elif kind == "view":
                there = "SELECT 1 FROM pg_views WHERE viewname = %s"
                if not rows(self._connection, there, name) and not self._told(("VIEW-", "NAME-"), object=name):
                    yield f"the view {name} is neither there nor in a finding"
            elif kind == "trigger" and not self._told(("TRIGGER-", "TABLE-"), object=name):
                yield f"the trigger {name} on {owner} is in no finding"

    def _table(self, name: str, sql: str) -> Iterable[str]:
        if name not in self._ways:
            if not self._told(("TABLE-",), table=name):
                yield f"the table {name} was forgotten"
            return
        way, outcome = self._ways[name], self._outcomes[name]
        if outcome["source_rows"] != outcome["staged_rows"] + outcome["quarantined_rows"]:
            yield f"{name}: {outcome} does not add up"
        yield from self._cells(name, way, outcome)
        if not sql.upper().startswith("CREATE VIRTUAL"):
            yield from self._columns(name, way, sql)
            yield from self._keys(name, way)
            yield from self._foreign_keys(name, way)
            yield from self._checks(name, way, sql)

    # cells

    def _cells(self, name: str, way: Way, outcome: Mapping[str, Any]) -> Iterable[str]:
        columns = list(way.columns)
        if not columns:
            return
        listed = ", ".join(f"{_name(c)}, typeof({_name(c)})" for c in columns)
        expected: Counter[tuple[object, ...]] = Counter()
        total = 0
        for row in self._file.execute(f"SELECT {listed} FROM {_name(name)}"):
            total += 1
            cells = []
            for i, column in enumerate(columns):
                value, kind = row[2 * i], row[2 * i + 1].decode()
                codec = way.columns[column][1]
                try:
                    cells.append(None if value is None else expect(codec, value, kind))
                except (ValueError, ArithmeticError, AssertionError, TypeError) as error:
                    cells.append(f"cannot be by {codec}: {error!r}")
            expected[tuple(cells)] += 1
        if total != outcome["source_rows"]:
            yield f"{name} has {total} rows, not {outcome['source_rows']}"
        types = dict(
            rows(
                self._connection,
                "SELECT attname, format_type(atttypid, -1) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0",
                self._where(way),
            )
        )
        shown = []
        for column in columns:
            mine = way.columns[column][0]
            shown.append(_name(mine) if types.get(mine) == "bytea" else f"{_name(mine)}::text")
        found: Counter[tuple[object, ...]] = Counter()
        for row in rows(self._connection, f"SELECT {', '.join(shown)} FROM {self._where(way)}"):
            found[
                tuple(
                    None if v is None else read(way.columns[c][1], types[way.columns[c][0]], v)
                    for v, c in zip(row, columns, strict=True)
                )
            ] += 1
        extra, missing = found - expected, expected - found
        if extra:
            near = next(iter(missing), None)
            yield f"{name}: {sum(extra.values())} rows are not the source's: {next(iter(extra))}, and not {near}"
        if sum(missing.values()) - sum(extra.values()) != outcome["quarantined_rows"]:
            yield f"{name}: {sum(missing.values())} rows are missing, {outcome['quarantined_rows']} are quarantined"

    # schema

    def _columns(self, name: str, way: Way, sql: str) -> Iterable[str]:
        there = {
            row[0]: row[1:]
            for row in rows(
                self._connection,
                "SELECT a.attname, a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) "
                "FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
                "WHERE a.attrelid = %s::regclass AND a.attnum > 0",
                self._where(way),
            )
        }
        alias = self._alias(name, sql)
        for _, column, _, not_null, default, _, hidden in self._select(f"PRAGMA table_xinfo({_name(name)})"):
            if column not in way.columns:
                yield f"{name}.{column} was forgotten"
                continue
            is_not_null, identity, generated, expression = there[way.columns[column][0]]
            if not_null and not is_not_null and not self._told(("KEY-", "GENERATED-"), table=name, column=column):
                yield f"{name}.{column} is NOT NULL no more"
            if hidden in (2, 3) and not generated and not self._told(("GENERATED-",), table=name, column=column):
                yield f"{name}.{column} is generated no more"
            empty = default is None or str(default).strip("() ").upper() == "NULL"
            lost = not empty and hidden == 0 and column != alias and expression is None
            if lost and not self._told(("DEFAULT-",), table=name, column=column):
                yield f"{name}.{column} has lost its default {default}"
            if column == alias:
                yield from self._identity(name, way, column, identity)

    def _identity(self, name: str, way: Way, column: str, identity: str) -> Iterable[str]:
        ((highest,),) = self._select(f"SELECT max({_name(column)}) FROM {_name(name)}")
        marks: list[Any] = []
        if self._select("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            marks = self._select("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,))
        highest = max([0, highest or 0, *(int(mark) for (mark,) in marks)])
        if highest >= 2**63 - 1:
            return
        if not identity:
            yield f"{name}.{column} gives no numbers any more"
            return
        ((sequence,),) = rows(
            self._connection, "SELECT pg_get_serial_sequence(%s, %s)", self._where(way), way.columns[column][0]
        )
        ((following,),) = rows(self._connection, f"SELECT last_value + is_called::int FROM {sequence}")
        if following != highest + 1:
            yield f"{name}.{column} gives {following} next, after {highest}"

    def _alias(self, name: str, sql: str) -> str | None:
        """The column that is the rowid, if any."""
        described = self._select(f"PRAGMA table_xinfo({_name(name)})")
        keys = [row for row in described if row[5]]
        rowidless = any(row[5] and row[1] == name for row in self._select("PRAGMA table_list") if row[4])
        if len(keys) != 1 or rowidless or str(keys[0][2]).upper() != "INTEGER":
            return None
        if any(row[3] == "pk" for row in self._select(f"PRAGMA index_list({_name(name)})")):
            return None  # such as INTEGER PRIMARY KEY DESC
        return str(keys[0][1])

    def _keys(self, name: str, way: Way) -> Iterable[str]:
        there = rows(
            self._connection,
            "SELECT c.relname, i.indisprimary, i.indisunique, i.indpred IS NOT NULL, i.indkey::int[] @> ARRAY[0], "
            "ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND "
            "a.attnum = ANY(i.indkey)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = %s::regclass",
            self._where(way),
        )
        unique = [set(row[5]) for row in there if row[2] and not row[3]]
        names = {row[0]: row for row in there}
        described = self._select(f"PRAGMA table_xinfo({_name(name)})")
        primary = {way.columns[row[1]][0] for row in described if row[5] and row[1] in way.columns}
        lost = primary and primary not in [set(row[5]) for row in there if row[1]]
        if lost and not self._told(("KEY-NULL", "COLLATION-"), table=name):
            yield f"{name} has lost its primary key {primary}"
        for _, index, is_unique, origin, partial in (r[:5] for r in self._select(f"PRAGMA index_list({_name(name)})")):
            parts = [row[0] for row in self._select(f"SELECT name FROM pragma_index_info({_text(index)})")]
            if origin == "u":
                columns = {way.columns[c][0] for c in parts if c in way.columns}
                if columns not in unique and not self._told(("COLLATION-", "KEY-", "INDEX-"), table=name):
                    yield f"{name} has lost UNIQUE {columns}"
            elif origin == "c":
                if self._told(("INDEX-", "NAME-", "COLLATION-"), object=index):
                    continue  # what has its name on the target is something else, such as a constraint
                if index not in names:
                    yield f"{name} has lost the index {index}"
                elif (bool(is_unique) and not names[index][2]) or self._partial(index, partial) != names[index][3]:
                    yield f"the index {index} on {name} is unique or partial otherwise"

    def _foreign_keys(self, name: str, way: Way) -> Iterable[str]:
        there = rows(
            self._connection,
            "SELECT ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (n, o) JOIN pg_attribute a "
            "ON a.attrelid = k.conrelid AND a.attnum = u.n), p.relname, k.confdeltype, k.confupdtype "
            "FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid "
            "WHERE k.conrelid = %s::regclass AND k.contype = 'f'",
            self._where(way),
        )
        have = [(frozenset(columns), parent, delete, update) for columns, parent, delete, update in there]
        letters = {"NO ACTION": "a", "RESTRICT": "r", "CASCADE": "c", "SET NULL": "n", "SET DEFAULT": "d"}
        keys: dict[int, tuple[list[str], str, str, str]] = {}
        for key, _, parent, column, _, update, delete, _ in self._select(f"PRAGMA foreign_key_list({_name(name)})"):
            keys.setdefault(key, ([], parent, delete, update))[0].append(column)
        lower = {column.lower(): target for column, (target, _) in way.columns.items()}
        parents = {source.lower(): other.name for source, other in self._ways.items()}
        for columns, parent, delete, update in keys.values():
            mine = frozenset(lower.get(column.lower(), column) for column in columns)
            wanted = (mine, parents.get(parent.lower(), parent), letters[delete], letters[update])
            if wanted not in have and not self._told(("FK-PARENT", "FK-SPELLING", "COLLATION-"), table=name):
                yield f"{name} has lost its foreign key {columns} to {parent} ({delete}, {update}); it has {have}"

    def _checks(self, name: str, way: Way, sql: str) -> Iterable[str]:
        bare = re.sub(
            r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S
        )
        wanted = len(re.findall(r"\bCHECK\s*\(", bare, re.IGNORECASE))
        count = "SELECT count(*) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"
        ((have,),) = rows(self._connection, count, self._where(way))
        told = sum(1 for f in self._findings if f["id"] == "CHECK-NOT-CARRIED" and f["table"] == name)
        told += sum(
            1 for f in self._findings if f["id"] == "CHECK-ENUM" and f["table"] == name and f["decision"] == "enum"
        )
        if have + told < wanted:
            yield f"{name} has {have} of {wanted} CHECKs, and {told} findings"

    def _partial(self, index: str, partial: int) -> bool:
        """Whether an index leaves rows out; PostgreSQL forgets a condition that is always true."""
        ((statement,),) = self._select(f"SELECT sql FROM sqlite_master WHERE type = 'index' AND name = {_text(index)}")
        return bool(partial) and re.search(r"WHERE\s+\(?1\)?\s*\Z", str(statement), re.IGNORECASE) is None

    def _told(
        self, kinds: tuple[str, ...], *, table: str | None = None, column: str | None = None, object: str | None = None
    ) -> bool:
        return any(
            f["id"].startswith(kinds)
            and (table is None or f["table"] == table)
            and (column is None or f["column"] == column or f["column"] is None)
            and (object is None or f["object"] == object)
            for f in self._findings
        )

    def _where(self, way: Way) -> str:
        return f"{_name(way.schema)}.{_name(way.name)}"

    def _select(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        found = self._file.execute(query, parameters).fetchall()
        return [tuple(v.decode() if isinstance(v, bytes) else v for v in row) for row in found]


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


# What each codec makes of a value, in words that can be compared.


def expect(codec: str, value: Any, kind: str) -> object:
    """What a stored value has to be on the target by a codec.

    Args:
        value: As ``sqlite3`` gives it, texts as bytes.
        kind: Its storage class.

    Raises:
        ValueError: The codec is not for such a value.
    """
    base, _, how = codec.partition(":")
    if base in ("text", "blob-of-text", "uuid", "json", "jsonb") and how == "" and kind != "text":
        raise ValueError(f"it is {kind}")
    if base.startswith(("timestamp", "date")) and kind == "text":
        return _moment(value.decode())
    if base == "timestamptz" and how in _COUNTED and kind == "integer":
        microseconds, begin = _COUNTED[how]
        return begin + timedelta(microseconds=value * microseconds)
    if kind in ("real", "integer") and (counted := _counted(base, how.removesuffix("-rounded"), value)) is not None:
        return counted
    for pattern, convert in _EXPECTED:
        if re.fullmatch(pattern, codec):
            return convert(value, kind, how)
    raise ValueError("the auditor does not know the codec")


_COUNTED = {
    "epoch-s": (1_000_000, datetime(1970, 1, 1)), "epoch-ms": (1_000, datetime(1970, 1, 1)),
    "epoch-us": (1, datetime(1970, 1, 1)), "cocoa": (1_000_000, datetime(2001, 1, 1)),
    "webkit": (1, datetime(1601, 1, 1)),
}  # fmt: skip


def _counted(base: str, how: str, value: int | float) -> datetime | None:
    """What counts nanoseconds in integers, seconds in reals or Julian days; None for other codecs."""
    if (base, how) == ("timestamp", "real-julian"):
        return datetime(2000, 1, 1, 12) + timedelta(microseconds=round((Fraction(value) - 2_451_545) * 86_400_000_000))
    if base != "timestamptz":
        return None
    if how in ("epoch-ns", "cocoa-ns") and isinstance(value, int):
        return _COUNTED["cocoa" if how == "cocoa-ns" else "epoch-s"][1] + timedelta(microseconds=value // 1000)
    unit, begin = _COUNTED.get(how.removeprefix("real-"), (0, datetime.min))
    return begin + timedelta(microseconds=round(Fraction(value) * unit)) if how.startswith("real-") and unit else None


def read(codec: str, type: str, value: Any) -> object:
    """What the target shows, in the same words."""
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    if type == "jsonb":
        return _json(value)
    if codec.startswith("text:exact-"):
        return value
    if codec.startswith("text:"):
        return _as_number(value)
    if type in ("double precision", "real"):
        return _bits(float(value))
    if type.startswith("numeric"):
        return Decimal(value)
    if type in ("bigint", "integer", "smallint"):
        return int(value)
    if type == "boolean":
        return value == "true"
    if type.startswith("timestamp") or type == "date":
        return _moment(value)
    return value


def _moment(text: str) -> datetime:
    """A date or moment in any of the spellings that are known, without zone; one with a zone in UTC."""
    for pattern, order in ((r"(\d\d)\.(\d\d)\.(\d{4})", "dmy"), (r"(\d\d)/(\d\d)/(\d{4})", "mdy")):
        if match := re.fullmatch(pattern, text, re.ASCII):
            part = dict(zip(order, map(int, match.groups()), strict=True))
            return datetime(part["y"], part["m"], part["d"])
    if re.fullmatch(r"\d{14}", text, re.ASCII):
        return datetime.strptime(text, "%Y%m%d%H%M%S")
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        return datetime.strptime(text, "%Y%m%d")
    match = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?", text, re.ASCII
    )
    if match is None:
        raise ValueError(f"{text!r} is no moment")
    day = date.fromisoformat(match[1])
    hour, minute, second = (int(match[i] or 0) for i in (2, 3, 4))
    moment = datetime(day.year, day.month, day.day, hour, minute, second, int((match[5] or "0").ljust(6, "0")))
    if match[6] and match[6] != "Z":
        digits = match[6][1:].replace(":", "")
        away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
        zone = timezone(-away if match[6][0] == "-" else away)
        return moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    return moment


def _bits(value: float) -> bytes:
    return struct.pack(">d", value)


def _json(text: str) -> str:
    def number(digits: str) -> str:
        return f"number {Decimal(digits).normalize()}"

    return json.dumps(json.loads(text, parse_float=number, parse_int=number), sort_keys=True)


def _of_class(*kinds: str, give: Callable[[Any], object]) -> Callable[[Any, str, str], object]:
    def convert(value: Any, kind: str, how: str) -> object:
        if kind not in kinds:
            raise ValueError(f"it is {kind}")
        return give(value)

    return convert


def _flag(value: int) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{value} is no truth")
    return bool(value)


def _written_flag(value: Any, kind: str, how: str) -> bool:
    word = {
        "tf": ("t", "f"),
        "truefalse": ("true", "false"),
        "yesno": ("yes", "no"),
        "yn": ("y", "n"),
        "onoff": ("on", "off"),
    }
    yes, no = word[how.lower()]
    return {yes: True, no: False}[value.decode().lower()]


def _any_text(value: Any, kind: str, how: str) -> str:
    if kind == "blob":
        return str(value.hex().upper())
    if kind == "real":
        return _as_number(repr(value))
    if kind == "integer":
        return str(value)
    steps = how.split("+")
    if "latin1" in steps:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    else:
        text = value.decode(errors="replace" if "utf8-replaced" in steps else "strict")
    return _as_number(text.replace("\0", "\ufffd") if "nul-replaced" in steps else text)


def _literal_where_needed(value: Any, kind: str, how: str) -> str:
    """Plainly, but as a literal of SQLite where the plain text is what a cell of another class looks like."""
    if kind == "integer":
        return str(value)
    if kind == "real":
        return repr(value).replace("inf", "9e999")
    if kind == "blob":
        return f"x'{value.hex()}'"
    try:
        text = str(value.decode())
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"CAST(x'{value.hex()}' AS TEXT)"
    alike = {text, text.lower(), text.rstrip(" "), text.lower().rstrip(" ")}
    taken = any(_is_literal(one, how) for one in alike)
    return "'" + text.replace("'", "''") + "'" if taken else text


def _is_literal(text: str, how: str) -> bool:
    hexed = "([0-9a-f]{2})*"
    literal = [r"'[^\0]*'", rf"CAST\(x'{hexed}' AS TEXT\)"] + ([f"x'{hexed}'"] if "blob" in how else [])
    taken = any(re.fullmatch(pattern, text, re.DOTALL) for pattern in literal)
    if "integer" in how and re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text, re.ASCII):
        taken |= -(2**63) <= int(text) < 2**63
    if "real" in how and re.fullmatch(r"-?[0-9][0-9.]*(e[+-]?[0-9]+)?", text, re.ASCII):
        taken |= text in ("9e999", "-9e999") or (text.count(".") < 2 and repr(float(text)) == text)
    return taken


def _as_number(text: str) -> str:
    """Reals as text are compared to 13 digits: how SQLite writes them differs between its releases."""
    if not re.fullmatch(r"-?(\d+\.\d+(e[+-]?\d+)?|\d+e[+-]?\d+|inf)", text, re.ASCII | re.IGNORECASE):
        return text
    return f"{float(text):.13g}" if abs(float(text)) > 1e-300 else "tiny"


_EXPECTED: tuple[tuple[str, Callable[[Any, str, str], object]], ...] = (
    (r"integer[24]?", _of_class("integer", give=int)),
    (r"integer-numeric", _of_class("integer", give=Decimal)),
    (r"integer[24]?-of-text", _of_class("text", give=int)),
    (r"text-of-integer", _of_class("integer", give=str)),
    (r"real4?", _of_class("real", give=_bits)),
    (r"real-numeric", _of_class("real", "integer", give=lambda v: _bits(float(v)))),
    (r"decimal\(\d+,\d+\)", _of_class("real", "integer", give=lambda v: Decimal(repr(v)))),
    (r"text|json", _of_class("text", give=lambda v: v.decode())),
    (r"uuid(:upper|:hex)?", _of_class("text", give=lambda v: str(UUID(v.decode())))),
    (r"uuid-of-blob", _of_class("blob", give=lambda v: str(UUID(bytes=v)))),
    (r"jsonb", _of_class("text", give=lambda v: _json(v.decode()))),
    (r"text:exact-.*", _literal_where_needed),
    (r"text:.*", _any_text),
    (r"blob", _of_class("blob", give=bytes)),
    (r"blob-of-text", _of_class("text", give=bytes)),
    (r"boolean", _of_class("integer", give=_flag)),
    (r"boolean:.+", _written_flag),
)
