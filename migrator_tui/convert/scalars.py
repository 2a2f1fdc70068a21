"""One SQLite expression, operator by operator, as the Postgres expression that gives the same value.

Only what is listed here is translated. Everything else is refused with its reason: an expression that Postgres
accepts and reads otherwise would change what the application stores or shows, and nobody would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlglot import exp

from migrator_tui.convert import functions, moments, patterns
from migrator_tui.convert.arithmetic import arithmetic, bits
from migrator_tui.convert.comparisons import compared
from migrator_tui.convert.grammar import Parsed
from migrator_tui.convert.operands import (
    NULL,
    Operand,
    Refused,
    Storage,
    as_integer,
    as_text,
    boolean,
    condition,
    integer,
    literal,
    number_of,
    plain,
    text,
    unify,
)
from migrator_tui.convert.scope import Scope

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_BITS: dict[type[exp.Expr], str] = {
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>",
}
_NOW: dict[type[exp.Expr], str] = {
    exp.CurrentDate: "date",
    exp.CurrentTime: "time",
    exp.CurrentTimestamp: "datetime",
}
# SQLite gives = IN LIKE IS BETWEEN one precedence and < <= > >= a higher one; sqlglot orders them otherwise.
_LEVEL_OF_EQUALITY = (*_COMPARISONS, exp.Is, exp.In, exp.Like, exp.Glob, exp.Between, exp.NullSafeEQ, exp.NullSafeNEQ)

# A node may carry more than its operands (a NOT, an ORDER BY); what is not looked at must not be there.
_USUAL_PARTS = frozenset({"this", "expression"})
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Column: frozenset({"this", "table", "db"}),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    exp.DPipe: frozenset({"this", "expression", "safe"}),
    exp.In: frozenset({"this", "expressions", "query", "field", "unnest"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.Literal: frozenset({"this", "is_string"}),
}


@dataclass(frozen=True, slots=True)
class Result:
    """A translated query.

    Attributes:
        columns: ``(source name, target name, operand)`` of each result column; the operand's expression is empty.
    """

    sql: str
    columns: tuple[tuple[str, str, Operand], ...]


Subquery = Callable[[exp.Expr, Scope], Result]


class Scalars:
    """Translates the expressions of one statement."""

    def __init__(self, parsed: Parsed, scope: Scope, subquery: Subquery | None = None) -> None:
        self._parsed = parsed
        self.scope = scope
        self._subquery = subquery

    def within(self, scope: Scope) -> Scalars:
        """The same, at another place of the statement."""
        return Scalars(self._parsed, scope, self._subquery)

    def operand(self, node: exp.Expr) -> Operand:
        """Translate one node and all below it.

        Raises:
            Refused: Something in it has no equivalent.
        """
        kind = type(node)
        unknown = [key for key, value in node.args.items() if value and key not in _PARTS.get(kind, _USUAL_PARTS)]
        if unknown:
            raise Refused(f"{_name(node)} with {unknown[0]} has no equivalent that is known here")
        if kind in _COMPARISONS:
            _unambiguous(node)
            return self._comparison(_COMPARISONS[kind], self.operand(node.this), self.operand(node.expression))
        if kind in _ARITHMETIC:
            return arithmetic(_ARITHMETIC[kind], self.operand(node.this), self.operand(node.expression))
        if kind in _BITS:
            return bits(_BITS[kind], self.operand(node.this), self.operand(node.expression))
        translate = _NODES.get(kind)
        if translate is None:
            raise Refused(f"{_name(node)} has no equivalent that is known here")
        return translate(self, node)

    def condition(self, node: exp.Expr) -> str:
        """Translate a condition.

        Raises:
            Refused: Something in it has no equivalent.
        """
        return condition(self.operand(node))

    def _paren(self, node: exp.Expr) -> Operand:
        return self.operand(node.this)

    def _literal(self, node: exp.Expr) -> Operand:
        if node.args.get("is_string"):
            return literal(str(node.this))
        number = number_of(str(node.this))
        if number is None:
            raise Refused(f"{node.this} is no number")
        return literal(number)

    def _hex(self, node: exp.Expr) -> Operand:
        try:
            return literal(bytes.fromhex(str(node.this)))
        except ValueError:
            raise Refused(f"x'{node.this}' is no blob") from None

    def _null(self, _: exp.Expr) -> Operand:
        return NULL

    def _boolean(self, node: exp.Expr) -> Operand:
        return literal(1 if node.this else 0)

    def _column(self, node: exp.Expr) -> Operand:
        if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
            raise Refused("a * stands where one value is needed")
        if node.args.get("db"):
            raise Refused("a column is named with its database")
        found = self.scope.find(node.table, node.name)
        if found is not None:
            return found
        if not node.table and self._parsed.quoted_as_string(node.this):
            return literal(node.name)
        raise Refused(f"there is no column {f'{node.table}.' if node.table else ''}{node.name}")

    def _and(self, node: exp.Expr) -> Operand:
        return boolean(f"({self.condition(node.this)} AND {self.condition(node.expression)})")

    def _or(self, node: exp.Expr) -> Operand:
        return boolean(f"({self.condition(node.this)} OR {self.condition(node.expression)})")

    def _not(self, node: exp.Expr) -> Operand:
        if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
            return self._is_not(node.this)
        return boolean(f"(NOT {self.condition(node.this)})")

    def _negative(self, node: exp.Expr) -> Operand:
        value = plain(self.operand(node.this))
        if isinstance(value.literal, int | float):
            return literal(-value.literal)
        if not value.storage.numeric:
            raise Refused(f"a minus stands before {value.storage.said}")
        if value.storage is Storage.INTEGER:
            return integer(f"(- {as_integer(value)})")
        return replace(value, sql=f"(- {value.sql})", affinity="", column=False)

    def _bitwise_not(self, node: exp.Expr) -> Operand:
        return integer(f"(~ {as_integer(self.operand(node.this))})")

    def _comparison(self, sign: str, left: Operand, right: Operand) -> Operand:
        a, b = compared(left, right, ordered=sign not in ("=", "<>"))
        if b in ("TRUE", "FALSE") and sign in ("=", "<>"):
            return boolean(a if (b == "TRUE") == (sign == "=") else f"(NOT {a})")
        return boolean(f"({a} {sign} {b})")

    def _is(self, node: exp.Expr) -> Operand:
        _unambiguous(node)
        value, other = self.operand(node.this), node.expression
        if isinstance(other, exp.Null):
            return boolean(f"({value.sql} IS NULL)")
        if isinstance(other, exp.Boolean):
            return boolean(f"({condition(value)} IS {'TRUE' if other.this else 'FALSE'})")
        return self._distinct(node, "IS NOT DISTINCT FROM")

    def _is_not(self, node: exp.Expr) -> Operand:
        if isinstance(node.expression, exp.Null):
            return boolean(f"({self.operand(node.this).sql} IS NOT NULL)")
        return self._distinct(node, "IS DISTINCT FROM")

    def _is_same(self, node: exp.Expr) -> Operand:
        return self._distinct(node, "IS NOT DISTINCT FROM")

    def _distinct(self, node: exp.Expr, words: str) -> Operand:
        _unambiguous(node)
        a, b = compared(self.operand(node.this), self.operand(node.expression))
        return boolean(f"({a} {words} {b})")

    def _between(self, node: exp.Expr) -> Operand:
        _unambiguous(node)
        value = _once(self.operand(node.this))
        low = self._comparison(">=", value, self.operand(node.args["low"]))
        high = self._comparison("<=", value, self.operand(node.args["high"]))
        return boolean(f"({low.sql} AND {high.sql})")

    def _in(self, node: exp.Expr) -> Operand:
        _unambiguous(node)
        value = self.operand(node.this)
        query = node.args.get("query")
        if query is not None:
            return self._in_query(value, query)
        if node.args.get("field") is not None or node.args.get("unnest") is not None:
            raise Refused("IN takes a whole table")
        if not node.expressions:
            return boolean("FALSE")
        # The left side's affinity counts alone here (sqlite.org/datatype3.html, section 4.3).
        _once(value)
        items = [replace(self.operand(item), affinity="", collation=None) for item in node.expressions]
        pairs = [compared(value, item) for item in items]
        if len({left for left, _ in pairs}) == 1:
            return boolean(f"({pairs[0][0]} IN ({', '.join(right for _, right in pairs)}))")
        return boolean("(" + " OR ".join(f"{left} = {right}" for left, right in pairs) + ")")

    def _in_query(self, value: Operand, query: exp.Expr) -> Operand:
        result = self._query(query)
        found = replace(result.columns[0][2], sql="subquery")
        left, right = compared(value, found)
        if len(result.columns) != 1 or right != "subquery":
            raise Refused("IN compares values of two kinds")
        return boolean(f"({left} IN ({result.sql}))")

    def _exists(self, node: exp.Expr) -> Operand:
        return boolean(f"EXISTS ({self._query(node.this).sql})")

    def _scalar_query(self, node: exp.Expr) -> Operand:
        result = self._query(node)
        if len(result.columns) != 1:
            raise Refused("a subquery of several columns stands where one value is needed")
        # SQLite takes the first row where there are several; Postgres would raise an error.
        first = "" if node.this.args.get("limit") else " LIMIT 1"
        return replace(result.columns[0][2], sql=f"({result.sql}{first})", literal=None, column=False)

    def _query(self, node: exp.Expr) -> Result:
        if self._subquery is None:
            raise Refused("it has a subquery")
        inner = node.this if isinstance(node, exp.Subquery) else node
        return self._subquery(inner, self.scope)

    def _like(self, node: exp.Expr) -> Operand:
        _unambiguous(node)
        return self._matched(node, None)

    def _escaped(self, node: exp.Expr) -> Operand:
        escape = self.operand(node.expression).literal
        if not isinstance(node.this, exp.Like) or not isinstance(escape, str) or len(escape) != 1:
            raise Refused("ESCAPE with something other than one character")
        _unambiguous(node.this)
        return self._matched(node.this, escape)

    def _matched(self, node: exp.Expr, escape: str | None) -> Operand:
        matched = patterns.like(self.operand(node.this), self.operand(node.expression), escape)
        return boolean(f"(NOT {matched})" if node.args.get("negate") else matched)

    def _glob(self, node: exp.Expr) -> Operand:
        _unambiguous(node)
        return boolean(patterns.glob(self.operand(node.this), self.operand(node.expression)))

    def _concatenation(self, node: exp.Expr) -> Operand:
        return text(f"({as_text(self.operand(node.this))} || {as_text(self.operand(node.expression))})")

    def _collate(self, node: exp.Expr) -> Operand:
        value = plain(self.operand(node.this))
        name = node.expression.name.upper()
        if name not in ("BINARY", "NOCASE"):
            raise Refused(f"the collation {node.expression.name} has no equivalent")
        return replace(value, collation=name, explicit_collation=True)

    def _cast(self, node: exp.Expr) -> Operand:
        value = self.operand(node.this)
        cast = functions.cast(value, node.args["to"])
        if cast.storage is Storage.BLOB:
            self._of_bytes(value)
        return cast

    def _case(self, node: exp.Expr) -> Operand:
        subject = _once(self.operand(node.this)) if node.this is not None else None
        conditions, values = [], []
        for branch in node.args["ifs"]:
            if subject is None:
                conditions.append(self.condition(branch.this))
            else:
                conditions.append(self._comparison("=", subject, self.operand(branch.this)).sql)
            values.append(self.operand(branch.args["true"]))
        default = node.args.get("default")
        values.append(self.operand(default) if default is not None else NULL)
        return choose(conditions, values, "CASE")

    def _function(self, node: exp.Expr) -> Operand:
        name = str(node.this).lower()
        if functions.is_aggregate(name, len(node.expressions)):
            return self._aggregate(node, "")
        arguments = [self.operand(argument) for argument in node.expressions]
        if name in functions.OF_BYTES:
            self._of_bytes(*arguments)
        return functions.call(name, arguments)

    def _of_bytes(self, *values: Operand) -> None:
        if self._parsed.utf16 and any(plain(value).storage not in (Storage.BLOB, Storage.NULL) for value in values):
            raise Refused("the bytes of a text are UTF-16 in this file, and UTF-8 in PostgreSQL")

    def _filtered(self, node: exp.Expr) -> Operand:
        inner = self.within(Scope(self.scope.sources, self.scope.parent))
        return self._aggregate(node.this, f" FILTER (WHERE {inner.condition(node.expression.this)})")

    def _aggregate(self, node: exp.Expr, suffix: str) -> Operand:
        if not self.scope.aggregates:
            raise Refused("an aggregate function stands where none may")
        if not isinstance(node, exp.Anonymous):
            raise Refused(f"{_name(node)} has no equivalent that is known here")
        name, arguments, distinct = str(node.this).lower(), list(node.expressions), False
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            distinct, arguments = True, list(arguments[0].expressions)
        inner = self.within(Scope(self.scope.sources, self.scope.parent))
        if any(isinstance(argument, exp.Star) for argument in arguments):
            return functions.count_rows(name, suffix)
        return functions.aggregate(name, [inner.operand(argument) for argument in arguments], distinct, suffix)

    def _now(self, node: exp.Expr) -> Operand:
        names: dict[type[exp.Expr], str] = {
            exp.CurrentDate: "date",
            exp.CurrentTime: "time",
            exp.CurrentTimestamp: "datetime",
        }
        return moments.call(names[type(node)], [literal("now")])


def choose(conditions: Iterable[str], values: list[Operand], what: str) -> Operand:
    """A CASE of conditions and values, the last value being the one for no condition.

    Raises:
        Refused: The values are of classes that no one type holds.
    """
    sqls, result = unify(values, what)
    branches = " ".join(f"WHEN {c} THEN {v}" for c, v in zip(conditions, sqls, strict=False))
    return replace(result, sql=f"CASE {branches} ELSE {sqls[-1]} END")


def _name(node: exp.Expr) -> str:
    return type(node).__name__ if not isinstance(node, exp.Anonymous) else f"the function {node.this}"


def _unambiguous(node: exp.Expr) -> None:
    if any(isinstance(node.args.get(key), _LEVEL_OF_EQUALITY) for key in ("this", "expression", "low", "high")):
        raise Refused("comparisons stand side by side without parentheses")


def _once(value: Operand) -> Operand:
    """A value that is written several times.

    Raises:
        Refused: Each time it would be another one.
    """
    if value.volatile:
        raise Refused("a random value is compared several times")
    return value


_NODES: dict[type[exp.Expr], Callable[[Scalars, exp.Expr], Operand]] = {
    exp.Paren: Scalars._paren,
    exp.Literal: Scalars._literal,
    exp.HexString: Scalars._hex,
    exp.Null: Scalars._null,
    exp.Boolean: Scalars._boolean,
    exp.Column: Scalars._column,
    exp.And: Scalars._and,
    exp.Or: Scalars._or,
    exp.Not: Scalars._not,
    exp.Neg: Scalars._negative,
    exp.BitwiseNot: Scalars._bitwise_not,
    exp.Is: Scalars._is,
    exp.NullSafeEQ: Scalars._is_same,
    exp.NullSafeNEQ: Scalars._is_not,
    exp.Between: Scalars._between,
    exp.In: Scalars._in,
    exp.Exists: Scalars._exists,
    exp.Subquery: Scalars._scalar_query,
    exp.Like: Scalars._like,
    exp.Escape: Scalars._escaped,
    exp.Glob: Scalars._glob,
    exp.DPipe: Scalars._concatenation,
    exp.Collate: Scalars._collate,
    exp.Cast: Scalars._cast,
    exp.Case: Scalars._case,
    exp.Anonymous: Scalars._function,
    exp.Filter: Scalars._filtered,
    exp.CurrentDate: Scalars._now,
    exp.CurrentTime: Scalars._now,
    exp.CurrentTimestamp: Scalars._now,
}
