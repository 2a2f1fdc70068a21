"""Defaults, checks, generated columns, indexes and views, from SQLite's dialect to Postgres'.

Each function gives a :class:`Translated`. What has no expression of the same meaning has no ``sql`` and says why;
nothing is carried on a guess. Two differences are accepted: sums and rounded halves of reals may differ in the last
digit, and arithmetic that overflows 64 bits is an error in Postgres where SQLite goes on with reals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from migrator_tui.convert import defaults, grammar
from migrator_tui.convert.codecs import classes_told_apart
from migrator_tui.convert.declared import affinity_of
from migrator_tui.convert.operands import Known, Operand, Refused, Storage, condition, plain
from migrator_tui.convert.queries import Queries, named
from migrator_tui.convert.scalars import Scalars
from migrator_tui.convert.scope import Relation, Scope, source_of
from migrator_tui.model.plan import ColumnPlan
from migrator_tui.model.schema import Column

Columns = Mapping[str, str | Known]
"""Source column name → its Postgres type, or everything that is known of it."""


def known(plan: ColumnPlan, column: Column, *, utf16: bool = False) -> Known:
    """Everything that expressions have to know of a planned column, for the ``columns`` of the functions below."""
    collation = (column.collation or "BINARY").upper()
    return Known(plan.type, plan.codec, affinity_of(column), collation, plan.target, utf16)


@dataclass(frozen=True, slots=True)
class Translated:
    """An expression on its way.

    Attributes:
        sql: The Postgres expression, or None where there is none of the same meaning.
        why: Why there is none; beside ``sql``, what a person should know about it.
        columns: Of a view that is carried: its columns, for the views that read it.
    """

    original: str
    sql: str | None
    why: str = ""
    columns: Mapping[str, Known] | None = None


def default(expression: str, target_type: str, known: Known | None = None) -> Translated:
    """A column's DEFAULT, as a value of the target column's type.

    Args:
        known: What else is known of the column; it decides where the column holds several storage classes.
    """
    classes = classes_told_apart(known.codec) if known else frozenset()

    def translate() -> tuple[str, str]:
        operand = defaults.operand(expression, utf16=known is not None and known.utf16)
        if known and classes:
            return defaults.assigned_to_several(operand, known.affinity, classes), operand.note
        return defaults.assigned(operand, target_type), operand.note

    return _guarded(expression, translate)


def check(expression: str, columns: Columns, rename: Mapping[str, str] | None = None) -> Translated:
    """A CHECK's condition. Like SQLite's, Postgres' check holds where the condition is NULL."""
    return _guarded(expression, lambda: _noted(_operand(expression, columns, rename), condition))


def predicate(expression: str, columns: Columns, rename: Mapping[str, str] | None = None) -> Translated:
    """A partial index's WHERE."""
    return check(expression, columns, rename)


def generated(
    expression: str, columns: Columns, rename: Mapping[str, str] | None = None, target_type: str = ""
) -> Translated:
    """A generated column's expression, as a value of the column's type where that is given."""

    def write(operand: Operand) -> str:
        # A view may differ from SQLite's in the last digit; a cell that is stored may not.
        if any(node.name.lower() == "round" or isinstance(node, exp.Round) for node in tree().find_all(exp.Func)):
            raise Refused("SQLite rounds what a double really is, PostgreSQL its decimal digits, so halves may differ")
        if target_type:
            return defaults.assigned(operand, target_type)
        return operand.sql if operand.column else plain(operand).sql

    def tree() -> exp.Expr:
        return grammar.expression(expression).tree

    return _guarded(expression, lambda: _noted(_operand(expression, columns, rename), write))


def index_expression(expression: str, columns: Columns, rename: Mapping[str, str] | None = None) -> Translated:
    """An indexed expression."""
    return _guarded(expression, lambda: _noted(_operand(expression, columns, rename), lambda operand: operand.sql))


def view(
    sql: str,
    tables: Mapping[str, str],
    columns: Mapping[str, Mapping[str, tuple[str, str] | Known]],
    names: Sequence[str] = (),
) -> Translated:
    """A view's query. Its tables are not qualified.

    Args:
        sql: The whole CREATE VIEW statement, or its query.
        tables: Source name → target name, of the tables and views that are on the target.
        columns: Source name → its source columns in order → target name and Postgres type, or all that is known.
        names: The view's column names, as SQLite gives them; without them they are worked out from the query.
    """
    relations = {source: Relation(target, _all_known(columns[source])) for source, target in tables.items()}
    utf16 = any(_utf16(relation.columns) for relation in relations.values())
    made: dict[str, Known] = {}

    def translate() -> tuple[str, str]:
        body, listed = grammar.view_body(sql)
        parsed = grammar.query(body, utf16=utf16)
        result = Queries(parsed, relations).query(parsed.tree)
        wanted = names or listed
        if wanted and [name.lower() for name in wanted] != [name.lower() for name, _, _ in result.columns]:
            result = named(result, wanted)
        made.update({name: replace(_known(operand, given), utf16=utf16) for name, given, operand in result.columns})
        return result.sql, next((operand.note for _, _, operand in result.columns if operand.note), "")

    translated = _guarded(sql, translate)
    return replace(translated, columns=made) if translated.sql is not None else translated


def views(
    definitions: Mapping[str, str],
    tables: Mapping[str, str],
    columns: Mapping[str, Mapping[str, tuple[str, str] | Known]],
    targets: Mapping[str, str] | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Translated]:
    """All views of a database, those that others read first.

    Args:
        definitions: Source name → CREATE VIEW statement.
        tables: As in :func:`view`, without the views.
        columns: As in :func:`view`, without the views.
        targets: View → its name on the target, where that is another one.
        names: View → its column names, as SQLite gives them.
    """
    there, known = dict(tables), dict(columns)
    done: dict[str, Translated] = {}
    waiting = {name: frozenset(read.lower() for read in view_tables(sql)) for name, sql in definitions.items()}
    while waiting:
        unmade = {name.lower() for name in waiting}
        ready = [name for name, reads in waiting.items() if not reads & unmade]
        if not ready:
            reason = "it reads views that read it"
            return done | {name: Translated(definitions[name], None, reason) for name in waiting}
        for name in ready:
            del waiting[name]
            translated = view(definitions[name], there, known, (names or {}).get(name, ()))
            done[name] = translated
            if translated.columns is not None:
                there[name] = (targets or {}).get(name, name)
                known[name] = translated.columns
    return done


def view_tables(sql: str) -> frozenset[str]:
    """Names of the tables and views that a view reads, as it writes them; empty where it cannot be read."""
    try:
        body, _ = grammar.view_body(sql)
        tree = grammar.query(body).tree
    except Refused:
        return frozenset()
    defined = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    return frozenset(
        table.name for table in tree.find_all(exp.Table) if table.name and table.name.lower() not in defined
    )


def enum_values(expression: str, column: str) -> tuple[str, ...] | None:
    """The texts that a CHECK allows in a column, where that is all that it says; NULL may be allowed beside them."""
    try:
        values = _listed(grammar.expression(expression).tree, column)
    except Refused:
        return None
    return tuple(dict.fromkeys(values)) if values else None


def _listed(node: exp.Expr, column: str) -> list[str] | None:
    def is_column(part: exp.Expr) -> bool:
        return isinstance(part, exp.Column) and not part.table and part.name.lower() == column.lower()

    if isinstance(node, exp.Paren):
        return _listed(node.this, column)
    if isinstance(node, exp.Or):
        parts = [_listed(node.this, column), _listed(node.expression, column)]
        return None if None in parts else [value for part in parts if part for value in part]
    if isinstance(node, exp.Is) and is_column(node.this) and isinstance(node.expression, exp.Null):
        return []
    if isinstance(node, exp.In) and is_column(node.this) and not node.args.get("query"):
        items = node.expressions
    elif isinstance(node, exp.EQ) and (is_column(node.this) or is_column(node.expression)):
        items = [node.expression if is_column(node.this) else node.this]
    else:
        return None
    if not items or not all(isinstance(item, exp.Literal) and item.args.get("is_string") for item in items):
        return None
    return [str(item.this) for item in items]


def _guarded(original: str, translate: Callable[[], tuple[str, str]]) -> Translated:
    try:
        sql, note = translate()
    except Refused as refused:
        return Translated(original, None, str(refused))
    except RecursionError:
        return Translated(original, None, "it is nested too deeply")
    return Translated(original, sql, note)


def _noted(operand: Operand, write: Callable[[Operand], str]) -> tuple[str, str]:
    return write(operand), operand.note


def _operand(expression: str, columns: Columns, rename: Mapping[str, str] | None) -> Operand:
    all_known = _all_known(columns)
    for name, target in (rename or {}).items():
        if name in all_known:
            all_known[name] = replace(all_known[name], target=target)
    parsed = grammar.expression(expression, utf16=_utf16(all_known))
    return Scalars(parsed, Scope([source_of(Relation("", all_known), "", "")])).operand(parsed.tree)


def _utf16(columns: Mapping[str, Known]) -> bool:
    return any(column.utf16 for column in columns.values())


def _all_known(columns: Mapping[str, str | tuple[str, str] | Known]) -> dict[str, Known]:
    result = {}
    for name, value in columns.items():
        if isinstance(value, str):
            result[name] = Known(value)
        elif isinstance(value, Known):
            result[name] = value
        else:
            result[name] = Known(value[1], target=value[0])
    return result


def _known(operand: Operand, target: str) -> Known:
    """What a view that reads this view's column has to know of it."""
    types = {
        Storage.INTEGER: "bigint",
        Storage.REAL: "double precision",
        Storage.NUMBER: "numeric",
        Storage.TEXT: "text",
        Storage.BLOB: "bytea",
        Storage.NULL: "text",
    }
    # Without a type of its own a result has no affinity, which SQLite calls BLOB.
    affinity = operand.affinity or "BLOB"
    kind = operand.type if operand.form != "plain" or operand.column else types[operand.storage]
    codec = operand.codec
    if operand.storage is Storage.NUMBER and operand.form == "plain":
        kind, codec = "numeric", ""
    return Known(kind, codec, affinity, operand.collation or "BINARY", target)
