"""Scalar expressions from Postgres' dialect to SQLite's, each with the kind of value that it gives.

What has no expression of the same meaning over the values as SQLite holds them is refused, with why.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlglot
from sqlglot import exp

from migrator_tui.convert.grammar import UNREADABLE
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.to_sqlite_functions import FUNCTIONS, named
from migrator_tui.convert.to_sqlite_operands import NUMERIC, Columns, Refused, Rendered, one_kind, text_literal
from migrator_tui.convert.to_sqlite_types import Kind

_TEXTS = ("text",)
_ORDERED = (*NUMERIC, "date", "moment", "moment-tz")
_BY_TYPE: dict[str, Kind] = {
    "SMALLINT": "integer", "INT": "integer", "BIGINT": "integer", "FLOAT": "real", "DOUBLE": "real",
    "DECIMAL": "numeric", "BOOLEAN": "boolean", "TEXT": "text", "VARCHAR": "text", "CHAR": "text", "BPCHAR": "text",
    "NAME": "text", "DATE": "date", "TIMESTAMP": "moment", "TIMESTAMPTZ": "moment-tz", "UUID": "text", "JSON": "json",
    "JSONB": "json", "VARBINARY": "blob",
}  # fmt: skip
_COMPARED: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.NullSafeEQ: "IS", exp.NullSafeNEQ: "IS NOT",
}  # fmt: skip
_COMPUTED: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


class Scalars:
    """Renders scalar expressions.

    Args:
        resolve: Finds a column by its table (empty without one) and name; raises :class:`Refused`.
    """

    def __init__(self, columns: Columns, resolve: Callable[[str, str], Rendered] | None = None) -> None:
        self._columns = columns
        self._resolve = resolve

    def condition(self, node: exp.Expr) -> str:
        """An expression that is true or false."""
        found = self.render(node)
        if found.kind not in ("boolean", "any", "null"):
            raise Refused("it is no condition in SQLite")
        return found.sql

    def render(self, node: exp.Expr) -> Rendered:
        """Any scalar expression.

        Raises:
            Refused: There is none of the same meaning.
        """
        _only_known(node)
        for kinds, method in self._METHODS:
            if isinstance(node, kinds):
                return method(self, node)
        return self._function(node)

    def _literal(self, node: exp.Literal) -> Rendered:
        if node.is_string:
            return Rendered(text_literal(str(node.this)), "text", True)
        text = str(node.this)
        return Rendered(text, "integer" if text.isdigit() else "numeric", True)

    def _constant(self, node: exp.Expr) -> Rendered:
        if isinstance(node, exp.Null):
            return Rendered("NULL", "null", True)
        return Rendered("1" if node.this else "0", "boolean", True)

    def _column(self, node: exp.Column) -> Rendered:
        if self._resolve is not None:
            return self._resolve(node.table, node.name)
        known = self._columns.get(node.name)
        if known is None:
            raise Refused(f"{node.name} is no column that is known here")
        return Rendered(quote_sqlite(known.name), known.kind)

    def _paren(self, node: exp.Paren) -> Rendered:
        inner = self.render(node.this)
        return Rendered(f"({inner.sql})", inner.kind, inner.literal)

    def _negated(self, node: exp.Neg) -> Rendered:
        inner = self._number(node.this)
        return Rendered(f"-{inner.sql}", inner.kind, inner.literal)

    def _cast(self, node: exp.Cast) -> Rendered:
        inner, to = self.render(node.this), node.args["to"]
        name = to.this.name if isinstance(to.this, exp.DataType.Type) else ""
        if name == "ARRAY" or to.args.get("nested"):
            raise Refused("an array")
        kind = _BY_TYPE.get(name)
        if to.expressions and not inner.literal:
            raise Refused("a cast that cuts or rounds")
        if inner.kind == "null":
            return Rendered("NULL", kind or "any", True)
        if kind is None and name in ("USERDEFINED", "USER-DEFINED", "") and inner.kind == "text":
            return Rendered(inner.sql, "text", inner.literal)  # an enum's label, or citext
        if kind is None:
            raise Refused(f"a cast to {to.sql(dialect='postgres')}")
        if kind == inner.kind or (kind == "numeric" and inner.kind in NUMERIC):
            return Rendered(inner.sql, kind, inner.literal)
        if inner.literal and inner.kind == "text":
            return self._literal_cast(node.this, kind)
        if kind == "text" and inner.kind == "integer":
            return Rendered(f"CAST({inner.sql} AS TEXT)", "text")
        if kind == "real" and inner.kind in NUMERIC:
            return Rendered(f"CAST({inner.sql} AS REAL)", "real")
        if kind == "integer" and inner.kind == "boolean":
            return Rendered(inner.sql, "integer")
        if kind == "date" and inner.kind in ("moment", "moment-tz"):
            return Rendered(f"substr({inner.sql}, 1, 10)", "date")
        raise Refused(f"a cast from {inner.kind} to {kind}")

    def _literal_cast(self, node: exp.Expr, kind: Kind) -> Rendered:
        text = str(bare(node).this)
        if kind in NUMERIC:
            try:
                number = float(text)
            except ValueError:
                number = float("nan")
            if number != number or number in (float("inf"), float("-inf")):
                raise Refused(f"the number {text}")
            return Rendered(text, kind, True)
        if kind == "boolean":
            return Rendered("1" if text.lower() in ("t", "true", "yes", "on", "1") else "0", kind, True)
        if kind == "moment-tz":
            if not text.endswith("+00"):
                raise Refused("a moment in another zone than UTC")
            text += ":00"
        if kind == "blob":
            if not text.startswith("\\x"):
                raise Refused("bytes in Postgres' own escapes")
            return Rendered(f"x'{text[2:]}'", kind, True)
        return Rendered(text_literal(text), kind, True)

    def _connected(self, node: exp.And | exp.Or) -> Rendered:
        word = "AND" if isinstance(node, exp.And) else "OR"
        return Rendered(f"{self.condition(node.this)} {word} {self.condition(node.expression)}", "boolean")

    def _not(self, node: exp.Not) -> Rendered:
        return Rendered(f"NOT ({self.condition(node.this)})", "boolean")

    def _compared(self, node: exp.Binary) -> Rendered:
        word = _COMPARED[type(node)]
        right = node.expression
        if isinstance(right, exp.Any | exp.All) or named(right) == "all":
            return self._listed(node, right)
        left, other = self.render(node.this), self.render(right)
        self._comparable(left, other, ordered=word in ("<", "<=", ">", ">="))
        return Rendered(f"{left.sql} {word} {other.sql}", "boolean")

    def _listed(self, node: exp.Binary, right: exp.Expr) -> Rendered:
        """``= ANY (ARRAY[...])`` and ``<> ALL (ARRAY[...])``, which is how Postgres keeps IN and NOT IN."""
        whole = not isinstance(right, exp.Any)
        if (type(node), whole) not in ((exp.EQ, False), (exp.NEQ, True)):
            raise Refused("a comparison with an array")
        array = right.expressions[0] if isinstance(right, exp.Anonymous) else right.this
        while isinstance(array, exp.Paren | exp.Cast | exp.Tuple):
            array = array.expressions[0] if isinstance(array, exp.Tuple) else array.this
        if not isinstance(array, exp.Array):
            raise Refused("a comparison with an array")
        return self._among(self.render(node.this), array.expressions, "NOT IN" if whole else "IN")

    def _in(self, node: exp.In) -> Rendered:
        if not node.expressions:
            raise Refused("IN with a query")
        return self._among(self.render(node.this), node.expressions, "IN")

    def _among(self, left: Rendered, items: list[exp.Expr], word: str) -> Rendered:
        values = [self.render(item) for item in items]
        for found in values:
            self._comparable(left, found, ordered=False)
        return Rendered(f"{left.sql} {word} ({', '.join(found.sql for found in values)})", "boolean")

    def _between(self, node: exp.Between) -> Rendered:
        parts = [self.render(node.this), self.render(node.args["low"]), self.render(node.args["high"])]
        self._comparable(parts[0], parts[1], ordered=True)
        self._comparable(parts[0], parts[2], ordered=True)
        return Rendered(f"{parts[0].sql} BETWEEN {parts[1].sql} AND {parts[2].sql}", "boolean")

    def _is(self, node: exp.Is) -> Rendered:
        tested = node.expression
        if isinstance(tested, exp.Null):
            left = node.this
            name = self._column_of_any_kind(left)
            word = "IS NOT" if node.args.get("negate") else "IS"
            return Rendered(f"{name or self.render(left).sql} {word} NULL", "boolean")
        if isinstance(tested, exp.Boolean) and not node.args.get("negate"):
            return Rendered(f"({self.condition(node.this)}) IS {'TRUE' if tested.this else 'FALSE'}", "boolean")
        raise Refused("an IS that SQLite does not have")

    def _column_of_any_kind(self, node: exp.Expr) -> str | None:
        """NULL is NULL however a column's values are written."""
        if self._resolve is None and isinstance(node, exp.Column) and node.name in self._columns:
            return quote_sqlite(self._columns[node.name].name)
        return None

    def _computed(self, node: exp.Binary) -> Rendered:
        left, right = self._number(node.this), self._number(node.expression)
        kinds = {left.kind, right.kind}
        if isinstance(node, exp.Div | exp.Mod) and kinds != {"integer"}:
            if isinstance(node, exp.Mod):
                raise Refused("a remainder of decimals")
            left = Rendered(f"CAST({left.sql} AS REAL)", "real")
            kinds = {"real"}
        kind: Kind = "integer" if kinds == {"integer"} else "real" if "real" in kinds else "numeric"
        return Rendered(f"{left.sql} {_COMPUTED[type(node)]} {right.sql}", kind)

    def _joined(self, node: exp.DPipe) -> Rendered:
        left, right = self.render(node.this), self.render(node.expression)
        if not {left.kind, right.kind} <= {"text", "integer", "any"}:
            raise Refused("texts joined with something else")
        return Rendered(f"{left.sql} || {right.sql}", "text")

    def _like(self, node: exp.Like | exp.ILike) -> Rendered:
        left, right = self.render(node.this), self.render(node.expression)
        if left.kind not in ("text", "any") or not (right.literal and right.kind == "text"):
            raise Refused("LIKE with a pattern that is no constant")
        word = "NOT " if node.args.get("negate") else ""
        if isinstance(node, exp.ILike):
            return Rendered(f"{left.sql} {word}LIKE {right.sql} ESCAPE '\\'", "boolean")
        return Rendered(f"{left.sql} {word}GLOB {text_literal(_glob(str(bare(node.expression).this)))}", "boolean")

    def _case(self, node: exp.Case) -> Rendered:
        if node.this is not None:
            raise Refused("CASE with an operand")
        results, text = [], "CASE"
        for branch in node.args["ifs"]:
            results.append(self.render(branch.args["true"]))
            text += f" WHEN {self.condition(branch.this)} THEN {results[-1].sql}"
        if (last := node.args.get("default")) is not None:
            results.append(self.render(last))
            text += f" ELSE {results[-1].sql}"
        return Rendered(text + " END", one_kind(results))

    def _function(self, node: exp.Expr) -> Rendered:
        name = named(node)
        if isinstance(node, exp.Anonymous):
            arguments = list(node.expressions)
        else:
            arguments = [part for part in node.args.values() if isinstance(part, exp.Expr)]
            arguments += [item for part in node.args.values() if isinstance(part, list) for item in part]
        maker = FUNCTIONS.get(name)
        if maker is None:
            raise Refused(f"{name or type(node).__name__} has no equivalent that is known here")
        return maker([self.render(argument) for argument in arguments])

    def _number(self, node: exp.Expr) -> Rendered:
        found = self.render(node)
        if found.kind not in (*NUMERIC, "any"):
            raise Refused(f"arithmetic with {found.kind}")
        return found

    def _comparable(self, left: Rendered, right: Rendered, *, ordered: bool) -> None:
        kinds = {left.kind, right.kind} - {"any", "null"}
        if not kinds or kinds <= set(NUMERIC):
            return
        if "other" in kinds or "json" in kinds:
            raise Refused("a comparison of values that SQLite holds in another form")
        if len(kinds) > 1:
            raise Refused(f"a comparison of {' with '.join(sorted(kinds))}")
        if ordered and not kinds <= set(_ORDERED):
            raise Refused("texts compared by an order that SQLite does not have")

    _METHODS: tuple[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[..., Rendered]], ...] = (
        (exp.Literal, _literal),
        ((exp.Null, exp.Boolean), _constant),
        (exp.Column, _column),
        (exp.Paren, _paren),
        (exp.Neg, _negated),
        (exp.Cast, _cast),
        ((exp.And, exp.Or), _connected),
        (exp.Not, _not),
        (tuple(_COMPARED), _compared),
        (exp.In, _in),
        (exp.Between, _between),
        (exp.Is, _is),
        (tuple(_COMPUTED), _computed),
        (exp.DPipe, _joined),
        ((exp.Like, exp.ILike), _like),
        (exp.Case, _case),
    )


_PARTS = frozenset({"this", "expression", "expressions"})
_MORE_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Is: frozenset({"negate"}), exp.Like: frozenset({"negate"}), exp.ILike: frozenset({"negate"}),
    exp.Literal: frozenset({"is_string"}), exp.Column: frozenset({"table"}), exp.Cast: frozenset({"to", "_type"}),
    exp.Between: frozenset({"low", "high"}), exp.Case: frozenset({"ifs", "default"}),
    exp.Substring: frozenset({"start", "length"}), exp.Round: frozenset({"decimals"}),
    exp.Trim: frozenset({"position"}), exp.Replace: frozenset({"replacement"}), exp.Div: frozenset({"typed"}),
    exp.StrPosition: frozenset({"substr"}), exp.DPipe: frozenset({"safe"}),
}  # fmt: skip


def _only_known(node: exp.Expr) -> None:
    """What the parser found beside the parts that are read here would be lost."""
    others = {key for key, value in node.args.items() if value} - _PARTS - _MORE_PARTS.get(type(node), frozenset())
    if others:
        raise Refused(f"{node.key} with {', '.join(sorted(others))}")


def bare(node: exp.Expr) -> exp.Expr:
    """An expression without casts, parentheses, and what says that a moment is in UTC."""
    while isinstance(node, exp.Cast | exp.Paren) or _in_utc(node):
        node = node.this
    return node


def _in_utc(node: exp.Expr) -> bool:
    if not isinstance(node, exp.AtTimeZone):
        return False
    zone = bare(node.args["zone"])
    return isinstance(zone, exp.Literal) and str(zone.this).lower() == "utc"


def _glob(pattern: str) -> str:
    """LIKE's pattern for GLOB, which tells capitals from small letters as Postgres' LIKE does."""
    text, escaped = "", False
    for character in pattern:
        if escaped or character not in "%_\\":
            text += f"[{character}]" if character in "*?[" else character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            text += "*" if character == "%" else "?"
    return text


def parse(text: str) -> exp.Expr:
    """Read Postgres' SQL.

    Raises:
        Refused: It cannot be read.
    """
    try:
        return sqlglot.parse_one(text, dialect="postgres")
    except UNREADABLE as error:
        raise Refused(f"it cannot be read: {(str(error).splitlines() or ['?'])[0].rstrip('.')}") from error
