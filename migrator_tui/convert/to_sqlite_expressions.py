"""Expressions from Postgres' dialect to SQLite's: defaults, checks, generated columns, index parts and predicates.

What has no expression of the same meaning over the values as SQLite holds them is refused, with why; nothing is
carried on a guess. Accepted differences: ``lower``, ``upper`` and ``citext`` know ASCII letters only, and decimals are
computed as doubles. What is carried is executed on SQLite before it counts (``sqlite.write``).
"""

from __future__ import annotations

from sqlglot import exp

from migrator_tui.convert.to_sqlite_functions import named
from migrator_tui.convert.to_sqlite_operands import Carried, Columns, Known, Refused, guarded
from migrator_tui.convert.to_sqlite_scalars import Scalars, bare, parse
from migrator_tui.convert.to_sqlite_types import Kind

__all__ = ["Carried", "Known", "condition", "default", "domain_check", "value"]

NOW = {"moment": "CURRENT_TIMESTAMP", "moment-tz": "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00:00')"}
UUID_DEFAULT = (
    "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || "
    "substr('89ab', 1 + (abs(random()) % 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"
)


def default(expression: str, kind: Kind) -> Carried:
    """A column's DEFAULT, in the parentheses that SQLite asks for, as a value of a kind."""

    def translate() -> str:
        tree = parse(expression)
        core = bare(tree)
        if named(core) == "timezone" and len(core.expressions) == 2 and bare(core.expressions[0]).name == "utc":
            core = bare(core.expressions[1])
        if isinstance(core, exp.CurrentTimestamp | exp.Localtimestamp) or _is_now(core):
            if kind in NOW:
                return NOW[kind]
            if kind == "date":
                return "CURRENT_DATE"
            raise Refused("the moment of the insert, for a column that holds something else")
        if isinstance(core, exp.CurrentDate) and kind == "date":
            return "CURRENT_DATE"
        if isinstance(core, exp.Uuid) or named(core) in ("gen_random_uuid", "uuid_generate_v4"):
            return UUID_DEFAULT
        if isinstance(core, exp.Array) and not core.expressions:
            return "'[]'"
        if kind == "json" and isinstance(core, exp.Literal) and core.is_string and "[]" in expression.split("::")[-1]:
            if core.this == "{}":
                return "'[]'"
            raise Refused("an array that is written as Postgres' own text")
        found = Scalars({}).render(tree)
        return found.sql if found.literal else f"({found.sql})"

    return guarded(expression, translate)


def condition(expression: str, columns: Columns) -> Carried:
    """A CHECK's condition or a partial index's predicate."""
    return guarded(expression, lambda: Scalars(columns).condition(parse(expression)))


def value(expression: str, columns: Columns) -> Carried:
    """A generated column's or an index's expression."""
    return guarded(expression, lambda: Scalars(columns).render(parse(expression)).sql)


def domain_check(expression: str, column: Known) -> Carried:
    """A domain's condition on VALUE, as one on a column."""
    return condition(expression, {"value": column, "VALUE": column})


def _is_now(node: exp.Expr) -> bool:
    names = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
    return isinstance(node, exp.Anonymous) and str(node.this).lower() in names
