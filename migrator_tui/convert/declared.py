"""What a declared type says: SQLite's affinity, and what its author meant to keep there."""

from __future__ import annotations

import re

from migrator_tui.model.schema import Column


def affinity(declared: str) -> str:
    """SQLite's affinity of a declared type (sqlite.org/datatype3.html, section 3.1)."""
    upper = declared.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper:
        return "BLOB"
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def affinity_of(column: Column) -> str:
    """The affinity by which SQLite converts what is put into a column."""
    return "BLOB" if column.keeps_class else affinity(column.type)


def declared_precision(declared: str) -> tuple[int, int] | None:
    """Digits in all and after the point of ``DECIMAL(10,2)``; None where none are said."""
    match = re.match(r"\s*(?:DECIMAL|NUMERIC|NUMBER|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", declared, re.IGNORECASE)
    return (int(match[1]), int(match[2] or 0)) if match else None


def is_decimal(declared: str) -> bool:
    """Whether exact decimals are meant."""
    return bool(re.match(r"\s*(DECIMAL|NUMERIC|NUMBER|DEC|MONEY|CURRENCY)\b", declared, re.IGNORECASE))


def is_boolean(declared: str) -> bool:
    """Whether truth values are meant."""
    return "BOOL" in declared.upper()


def is_moment(declared: str) -> bool:
    """Whether dates, times or moments are meant."""
    return bool(re.search(r"DATE|TIME", declared, re.IGNORECASE))


def may_count_time(column: Column) -> bool:
    """Whether numbers of a column may count time, by its declaration or its name (``created_at``, ``visitTime``)."""
    return is_moment(column.type) or _OF_TIME.search(column.name) is not None


_OF_TIME = re.compile(
    r"(?:^|[_ ])(?i:at|on|ts|when|date|time|datetime|timestamp|created|updated|modified|expires)$"
    r"|[a-z](?:At|On|Date|Time|Timestamp)$"
)


def declared_length(declared: str) -> int | None:
    """Characters of ``VARCHAR(20)``; None where none are said, or more than Postgres has."""
    match = re.search(r"CHAR\w*\s*\(\s*(\d+)\s*\)", declared, re.IGNORECASE)
    return int(match[1]) if match and 0 < int(match[1]) <= 10_485_760 else None
