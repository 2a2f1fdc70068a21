"""Views from Postgres' dialect to SQLite's: plain queries with joins, groups, unions, CTEs and subqueries in FROM.

Scalars are carried by :mod:`migrator_tui.convert.to_sqlite_scalars`; what it refuses, and every clause that is not
known here, refuses the view. NULLs sort where Postgres puts them. Texts are sorted by their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.queries import SELECT_CLAUSES, SET_WORDS
from migrator_tui.convert.to_sqlite_operands import Carried, Known, Refused, Rendered, guarded
from migrator_tui.convert.to_sqlite_scalars import Scalars, parse

Relations = Mapping[str, tuple[str, Mapping[str, Known]]]
"""Postgres name → name in SQLite and columns, of the tables and views that may be read."""

_SET = frozenset({"this", "expression", "distinct", "order", "limit", "offset", "with_"})
_AGGREGATES = {"count": "integer", "sum": "", "min": "", "max": "", "avg": "real"}


@dataclass(frozen=True, slots=True)
class Query:
    """A query in SQLite's dialect, and the columns that it gives, by their names in Postgres."""

    sql: str
    columns: Mapping[str, Known]


def view(
    query: str, names: Sequence[str], relations: Relations, schema: str = "public"
) -> tuple[Carried, Mapping[str, Known]]:
    """A view's query.

    Args:
        names: Its columns' names.
        schema: Of the relations; names of others are written with theirs.

    Returns:
        The query on its way, and the view's columns for the views that read it.
    """
    made: dict[str, Known] = {}

    def translate() -> str:
        found = _Queries(relations, schema).query(parse(query.strip().rstrip(";")))
        if len(found.columns) != len(names):
            raise Refused("its columns could not be told apart")
        made.update({name: Known(name, known.kind) for name, known in zip(names, found.columns.values(), strict=True)})
        return found.sql

    return guarded(query, translate), made


class _Queries:
    def __init__(self, relations: Relations, schema: str) -> None:
        self._relations = dict(relations)
        self._schema = schema
        self._queries: set[str] = set()

    def query(self, node: exp.Expr) -> Query:
        """Translate a query."""
        if isinstance(node, exp.Subquery | exp.Paren) and not node.args.get("alias"):
            return self.query(node.this)
        prefix = self._with(node)
        if isinstance(node, exp.Select):
            found = self._select(node)
        elif type(node) in SET_WORDS:
            found = self._set(node)
        else:
            raise Refused(f"{node.key} is no query that is known here")
        return Query(prefix + found.sql, found.columns)

    def _with(self, node: exp.Expr) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        if clause.args.get("recursive"):
            raise Refused("a recursive WITH")
        parts = []
        for cte in clause.expressions:
            found = self.query(cte.this)
            names = [column.name for column in cte.args["alias"].args.get("columns") or ()] or list(found.columns)
            columns = {name: Known(name, k.kind) for name, k in zip(names, found.columns.values(), strict=True)}
            self._relations[cte.alias] = (cte.alias, columns)
            self._queries.add(cte.alias)
            listed = ", ".join(quote_sqlite(name) for name in names)
            parts.append(f"{quote_sqlite(cte.alias)} ({listed}) AS ({found.sql})")
        return f"WITH {', '.join(parts)} "

    def _select(self, node: exp.Select) -> Query:
        _only(node, SELECT_CLAUSES)
        distinct = node.args.get("distinct")
        if distinct and distinct.args.get("on"):
            raise Refused("DISTINCT ON")
        scope: dict[str, tuple[str, Mapping[str, Known]]] = {}
        source = self._from(node, scope)
        scalars = _InQuery(scope)
        columns: dict[str, Known] = {}
        listed = []
        for item in node.expressions:
            name = item.alias_or_name
            if isinstance(item, exp.Star) or isinstance(getattr(item, "this", None), exp.Star):
                raise Refused("a star")
            found = scalars.render(item.this if isinstance(item, exp.Alias) else item)
            if not name or name in columns or found.kind == "null":
                raise Refused("a column without a name or kind")
            columns[name] = Known(name, "other" if found.kind == "any" else found.kind)
            listed.append(f"{found.sql} AS {quote_sqlite(name)}")
        text = f"SELECT {'DISTINCT ' if distinct else ''}{', '.join(listed)}{source}"
        if where := node.args.get("where"):
            text += f" WHERE {scalars.condition(where.this)}"
        if group := node.args.get("group"):
            if {key for key, value in group.args.items() if value} - {"expressions"}:
                raise Refused("a GROUP BY that SQLite does not have")
            text += f" GROUP BY {', '.join(self._place(item, scalars) for item in group.expressions)}"
        if having := node.args.get("having"):
            text += f" HAVING {scalars.condition(having.this)}"
        return Query(text + self._order(node, scalars) + _limit(node), columns)

    def _set(self, node: exp.Expr) -> Query:
        _only(node, _SET)
        left, right = self.query(node.this), self.query(node.args["expression"])
        if isinstance(node.this, tuple(SET_WORDS)) and type(node.this) is not type(node):
            raise Refused("a UNION of another kind within")
        if isinstance(node.args["expression"], tuple(SET_WORDS)):
            raise Refused("a UNION within")
        kinds = [
            (one.kind, other.kind) for one, other in zip(left.columns.values(), right.columns.values(), strict=False)
        ]
        if len(left.columns) != len(right.columns) or any(one != other for one, other in kinds):
            raise Refused("the sides of a UNION hold values of different kinds")
        word = SET_WORDS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        if " ALL" in word and not isinstance(node, exp.Union):
            raise Refused(word)
        if any(part.args.get(key) for part in (node.this, node.args["expression"]) for key in ("order", "limit")):
            raise Refused("ORDER BY within a UNION")
        scalars = Scalars(left.columns)
        return Query(f"{left.sql} {word} {right.sql}{self._order(node, scalars)}{_limit(node)}", left.columns)

    def _from(self, node: exp.Select, scope: dict[str, tuple[str, Mapping[str, Known]]]) -> str:
        clause = node.args.get("from_")
        if clause is None:
            return ""
        text = f" FROM {self._first(clause.this, scope)}"
        return text + "".join(self._join(join, scope) for join in node.args.get("joins") or ())

    def _first(self, node: exp.Expr, scope: dict[str, tuple[str, Mapping[str, Known]]]) -> str:
        """What FROM begins with; Postgres writes every join in parentheses, which are not needed there."""
        if isinstance(node, exp.Subquery | exp.Paren) and not node.args.get("alias"):
            return self._first(node.this, scope) + "".join(
                self._join(join, scope) for join in node.args.get("joins") or ()
            )
        inner = node.args.get("joins") or ()
        return self._source(node, scope) + "".join(self._join(join, scope) for join in inner)

    def _join(self, join: exp.Join, scope: dict[str, tuple[str, Mapping[str, Known]]]) -> str:
        _only(join, frozenset({"this", "side", "kind", "on"}))
        side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
        if side not in ("", "LEFT", "RIGHT", "FULL") or kind not in ("", "INNER", "OUTER", "CROSS"):
            raise Refused(f"a {side} {kind} JOIN")
        table = self._source(join.this, scope)
        on = join.args.get("on")
        test = f" ON {_InQuery(scope).condition(on)}" if on is not None else ""
        return f" {side or ('CROSS' if on is None else 'INNER')} JOIN {table}{test}"

    def _source(self, node: exp.Expr, scope: dict[str, tuple[str, Mapping[str, Known]]]) -> str:
        if isinstance(node, exp.Subquery) and node.alias:
            _only(node, frozenset({"this", "alias"}))
            found = self.query(node.this)
            scope[node.alias] = (node.alias, found.columns)
            return f"({found.sql}) AS {quote_sqlite(node.alias)}"
        if not isinstance(node, exp.Table):
            raise Refused(f"{node.key} in FROM")
        _only(node, frozenset({"this", "db", "alias", "joins"}))
        if node.db and (node.db != self._schema or node.name in self._queries):
            raise Refused(f"it reads {node.db}.{node.name}, which is not in the file under that name")
        known = self._relations.get(node.name)
        if known is None or not isinstance(node.this, exp.Identifier):
            raise Refused(f"it reads {node.name}, which is not in the file")
        alias = node.alias or node.name
        scope[alias] = (alias, known[1])
        return f"{quote_sqlite(known[0])} AS {quote_sqlite(alias)}"

    def _place(self, node: exp.Expr, scalars: Scalars) -> str:
        """An entry of GROUP BY or ORDER BY: a result column's number, or an expression."""
        if isinstance(node, exp.Literal) and not node.is_string:
            return str(node.this)
        return scalars.render(node).sql

    def _order(self, node: exp.Expr, scalars: Scalars) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        items = []
        for item in order.expressions:
            descending = bool(item.args.get("desc"))
            first = item.args.get("nulls_first")
            nulls_first = descending if first is None else bool(first)
            place = self._place(item.this, scalars)
            items.append(f"{place}{' DESC' * descending} NULLS {'FIRST' if nulls_first else 'LAST'}")
        return f" ORDER BY {', '.join(items)}"


class _InQuery(Scalars):
    """Scalars of a query: columns of its sources, and aggregates."""

    def __init__(self, scope: Mapping[str, tuple[str, Mapping[str, Known]]]) -> None:
        super().__init__({}, self._find)
        self._scope = scope

    def _find(self, table: str, name: str) -> Rendered:
        places = [self._scope[table]] if table in self._scope else [] if table else list(self._scope.values())
        found = [(alias, columns[name]) for alias, columns in places if name in columns]
        if len(found) != 1:
            raise Refused(f"{name} is no column that is known here")
        ((alias, known),) = found
        return Rendered(f"{quote_sqlite(alias)}.{quote_sqlite(known.name)}", known.kind)

    def render(self, node: exp.Expr) -> Rendered:
        """Any scalar expression, or an aggregate."""
        if not isinstance(node, exp.AggFunc):
            return super().render(node)
        name = node.sql_name().lower()
        inner = node.this
        if name not in _AGGREGATES or {k for k, v in node.args.items() if v} - {"this", "big_int"}:
            raise Refused(f"the aggregate {name}")
        if isinstance(inner, exp.Star):
            return Rendered("count(*)", "integer")
        distinct = isinstance(inner, exp.Distinct)
        if distinct:
            (inner,) = inner.expressions
        found = self.render(inner)
        if name in ("sum", "avg") and found.kind not in ("integer", "real", "numeric"):
            raise Refused(f"{name} of {found.kind}")
        if name in ("min", "max") and found.kind in ("boolean", "text", "json", "other", "blob"):
            raise Refused(f"{name} of {found.kind}")
        kind = _AGGREGATES[name] or found.kind
        return Rendered(f"{name}({'DISTINCT ' * distinct}{found.sql})", kind)  # type: ignore[arg-type]


def _limit(node: exp.Expr) -> str:
    text = ""
    for key in ("limit", "offset"):
        clause = node.args.get(key)
        if clause is None:
            continue
        number = clause.expression
        while isinstance(number, exp.Cast | exp.Paren):
            number = number.this
        if not isinstance(number, exp.Literal) or not str(number.this).isdigit():
            raise Refused(f"{key.upper()} is no constant number")
        text += f" LIMIT {number.this}" if key == "limit" else ""
        if key == "offset":
            text += f"{'' if node.args.get('limit') else ' LIMIT -1'} OFFSET {number.this}"
    return text


def _only(node: exp.Expr, allowed: frozenset[str]) -> None:
    others = sorted({key for key, value in node.args.items() if value} - allowed)
    if others:
        raise Refused(f"the clause {others[0].strip('_').upper()}")
