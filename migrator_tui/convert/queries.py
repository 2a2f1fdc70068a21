"""SELECT: what a view reads, clause by clause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from migrator_tui.convert.comparisons import collated, compared
from migrator_tui.convert.grammar import Parsed
from migrator_tui.convert.identifiers import quote, shorten
from migrator_tui.convert.operands import (
    NULL,
    Operand,
    Refused,
    Storage,
    plain,
    quoted_column,
    unify,
)
from migrator_tui.convert.scalars import Result, Scalars
from migrator_tui.convert.scope import Relation, Scope, Source, source_of

SELECT_CLAUSES = frozenset(
    {
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "distinct",
        "with_",
        "kind",
    }
)
"""What of a SELECT both directions carry; anything else is refused."""
_SET_CLAUSES = frozenset({"this", "expression", "distinct", "order", "limit", "offset", "with_", "by_name"})
SET_WORDS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
_WRAPPED = "q"


class Queries:
    """Translates the queries of one statement.

    Args:
        relations: Source name → relation, of everything that is on the target.
    """

    def __init__(self, parsed: Parsed, relations: Mapping[str, Relation]) -> None:
        self._parsed = parsed
        self._relations = {name.lower(): relation for name, relation in relations.items()}
        self._named: dict[str, Result] = {}

    def query(self, node: exp.Expr, parent: Scope | None = None) -> Result:
        """Translate a query.

        Raises:
            Refused: Something in it has no equivalent.
        """
        if isinstance(node, exp.Subquery | exp.Paren) and not node.args.get("alias"):
            return self.query(node.this, parent)
        prefix = self._with(node, parent)
        if isinstance(node, exp.Select):
            result = self._select(node, parent)
        elif type(node) in SET_WORDS:
            result = self._set(node, parent)
        else:
            raise Refused(f"{type(node).__name__} is no query that is known here")
        return replace(result, sql=prefix + result.sql)

    def _with(self, node: exp.Expr, parent: Scope | None) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        if clause.args.get("recursive"):
            raise Refused("a recursive WITH")
        parts = []
        for table in clause.expressions:
            result = self.query(table.this, parent)
            alias = table.args["alias"]
            names = [column.name for column in alias.args.get("columns") or ()] or [own for own, _, _ in result.columns]
            result = _renamed(result, names)
            self._named[table.alias.lower()] = result
            listed = ", ".join(quote(target) for _, target, _ in result.columns)
            parts.append(f"{quote(table.alias)} ({listed}) AS ({result.sql})")
        return f"WITH {', '.join(parts)} "

    def _select(self, node: exp.Select, parent: Scope | None) -> Result:
        _only(node, SELECT_CLAUSES)
        distinct = node.args.get("distinct")
        if distinct and distinct.args.get("on"):
            raise Refused("DISTINCT ON")
        scope = Scope(parent=parent)
        tables = self._from(node, scope)
        scalars = Scalars(self._parsed, scope, self.query)
        grouped = node.args.get("group") is not None
        with_aggregates = scalars.within(Scope(scope.sources, parent, aggregates=True))
        columns = self._columns(node.expressions, with_aggregates, scope)
        scope.aliases.update({name.lower(): operand for name, _, operand in columns})
        with_aggregates.scope.aliases.update(scope.aliases)
        sql = "SELECT " + ("DISTINCT " if distinct else "")
        sql += ", ".join(_listed(operand, target) for _, target, operand in columns)
        sql += f" FROM {tables}" if tables else ""
        if where := node.args.get("where"):
            sql += f" WHERE {scalars.condition(where.this)}"
        if grouped:
            sql += f" GROUP BY {self._group(node.args['group'], scalars, columns)}"
        if having := node.args.get("having"):
            sql += f" HAVING {with_aggregates.condition(having.this)}"
        if distinct:
            _check_equality([operand for _, _, operand in columns], "DISTINCT")
        result = Result(sql, tuple((name, target, replace(op, sql="", literal=None)) for name, target, op in columns))
        if distinct and node.args.get("order"):
            return self._ordered_outside(node, result)
        return replace(result, sql=sql + self._order(node, with_aggregates, columns) + self._limit(node))

    def _columns(self, nodes: Sequence[exp.Expr], scalars: Scalars, scope: Scope) -> list[tuple[str, str, Operand]]:
        columns: list[tuple[str, str, Operand]] = []
        for node in nodes:
            starred = _star(node)
            if starred is not None:
                found = [s for s in scope.sources if not starred or s.name.lower() == starred.lower()]
                if not found:
                    raise Refused(f"there is no table {starred} for {starred}.*")
                for source in found:
                    for own, (target, operand) in source.columns.items():
                        if starred or own.lower() not in source.merged:
                            columns.append((own, target, operand))
                continue
            inner = node.this if isinstance(node, exp.Alias) else node
            operand = scalars.operand(inner)
            if not operand.column and operand.form == "boolean":
                operand = replace(plain(operand), column=False)
            elif operand.storage is Storage.NULL:
                operand = replace(operand, sql="NULL::text")
            name = node.alias if isinstance(node, exp.Alias) else self._name(inner)
            target = quoted = name
            if isinstance(inner, exp.Column) and operand.column and not isinstance(node, exp.Alias):
                quoted = operand.sql.rpartition(".")[2] if operand.sql else quote(name)
                target = quoted[1:-1].replace('""', '"')
            columns.append((name, target, operand))
        return _distinct_names(columns)

    def _name(self, node: exp.Expr) -> str:
        return node.name if isinstance(node, exp.Column) else node.sql(dialect="sqlite", comments=False)

    def _from(self, node: exp.Select, scope: Scope) -> str:
        clause = node.args.get("from_")
        if clause is None:
            if node.args.get("joins"):
                raise Refused("a join without FROM")
            return ""
        sql = self._table(clause.this, scope)
        for join in [*(clause.this.args.get("joins") or ()), *(node.args.get("joins") or ())]:
            sql += self._join(join, scope)
        return sql

    def _table(self, node: exp.Expr, scope: Scope, *, merged: frozenset[str] = frozenset()) -> str:
        if isinstance(node, exp.Subquery):
            result = self.query(node.this, scope.parent)
            alias = node.alias or f"{_WRAPPED}{len(scope.sources)}"
            scope.sources.append(_source_of_result(result, node.alias, alias, merged))
            return f"({result.sql}) AS {quote(alias)}"
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise Refused("FROM has something other than a table")
        if set(_given(node)) - {"this", "alias", "db", "joins"} or node.db.lower() not in ("", "main"):
            raise Refused("FROM names a table of another database, or says how to read it")
        alias = node.alias or node.name
        if any(source.name.lower() == alias.lower() for source in scope.sources):
            raise Refused(f"the name {alias} stands for two tables")
        if node.name.lower() in self._named and not node.db:
            scope.sources.append(_source_of_result(self._named[node.name.lower()], alias, alias, merged))
            name = next(n for n in self._named if n == node.name.lower())
            return f"{quote(self._written_name(name))} AS {quote(alias)}"
        relation = self._relations.get(node.name.lower())
        if relation is None:
            raise Refused(f"it reads {node.name}, which is not on the target")
        source = source_of(relation, alias, node.alias or relation.target)
        scope.sources.append(replace(source, merged=merged))
        return quote(relation.target) + (f" AS {quote(node.alias)}" if node.alias else "")

    def _written_name(self, lower: str) -> str:
        return next(cte.alias for cte in self._parsed.tree.find_all(exp.CTE) if cte.alias.lower() == lower)

    def _join(self, node: exp.Expr, scope: Scope) -> str:
        side, kind, method = (str(node.args.get(key) or "").upper() for key in ("side", "kind", "method"))
        if set(_given(node)) - {"this", "on", "using", "side", "kind"} or method:
            raise Refused(f"a {method or 'special'} join")
        if side not in ("", "LEFT", "RIGHT", "FULL") or kind not in ("", "INNER", "OUTER", "CROSS"):
            raise Refused(f"a {side} {kind} join")
        using = [identifier.name for identifier in node.args.get("using") or ()]
        if using and side in ("RIGHT", "FULL"):
            raise Refused(f"a {side} JOIN with USING")
        merged = frozenset(name.lower() for name in using)
        left = Scope(list(scope.sources), scope.parent)
        table = self._table(node.this, scope, merged=merged)
        scalars = Scalars(self._parsed, scope, self.query)
        tests = []
        for name in using:
            one, other = left.find("", name), scope.sources[-1].find(name)
            if one is None or other is None:
                raise Refused(f"USING names a column {name} that one side does not have")
            tests.append(" = ".join(compared(one, other)))
        on = node.args.get("on")
        if on is not None:
            tests.append(scalars.condition(on))
        words = f" {side} JOIN " if side else " JOIN " if tests else " CROSS JOIN "
        if side and not tests:
            tests.append("TRUE")
        return f"{words}{table}" + (f" ON {' AND '.join(tests)}" if tests else "")

    def _group(self, node: exp.Expr, scalars: Scalars, columns: Sequence[tuple[str, str, Operand]]) -> str:
        if set(_given(node)) - {"expressions"}:
            raise Refused("a GROUP BY that SQLite does not have")
        operands = [_chosen(item, columns) or scalars.operand(item) for item in node.expressions]
        _check_equality(operands, "GROUP BY")
        return ", ".join(operand.sql for operand in operands)

    def _order(self, node: exp.Expr, scalars: Scalars, columns: Sequence[tuple[str, str, Operand]]) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        items = []
        for item in order.expressions:
            found = _chosen(item.this, columns) or _aliased(item.this, columns)
            items.append(_sorted(found or scalars.operand(item.this), item))
        return f" ORDER BY {', '.join(items)}"

    def _ordered_outside(self, node: exp.Expr, result: Result) -> Result:
        """A DISTINCT or UNION as a table of its own, because Postgres sorts its results by plain columns only."""
        source = _source_of_result(result, "", _WRAPPED)
        columns = [(own, target, source.columns[own][1]) for own, target, _ in result.columns]
        scalars = Scalars(self._parsed, Scope([source]), self.query)
        listed = ", ".join(_listed(operand, target) for _, target, operand in columns)
        sql = f"SELECT {listed} FROM ({result.sql}) AS {quote(_WRAPPED)}"
        return replace(result, sql=sql + self._order(node, scalars, columns) + self._limit(node))

    def _limit(self, node: exp.Expr) -> str:
        sql = ""
        for key in ("limit", "offset"):
            clause = node.args.get(key)
            if clause is None:
                continue
            value = Scalars(self._parsed, Scope()).operand(clause.expression).literal
            if set(_given(clause)) - {"expression"} or not isinstance(value, int):
                raise Refused(f"{key.upper()} is no constant number")
            if key == "limit" and value < 0:
                continue
            sql += f" {key.upper()} {max(value, 0)}"
        return sql

    def _set(self, node: exp.Expr, parent: Scope | None) -> Result:
        _only(node, _SET_CLAUSES)
        left, right = self.query(node.this, parent), self.query(node.args["expression"], parent)
        if len(left.columns) != len(right.columns):
            raise Refused("the two sides of a UNION have different numbers of columns")
        word = SET_WORDS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        columns, converted = [], [False, False]
        picks: tuple[list[str], list[str]] = ([], [])
        for (own, target, one), (_, other_target, other) in zip(left.columns, right.columns, strict=True):
            pair = [replace(one, sql=quote(target)), replace(other, sql=quote(other_target))]
            sqls, result = unify([NULL if operand.storage is Storage.NULL else operand for operand in pair], word)
            for side in (0, 1):
                converted[side] = converted[side] or sqls[side] != pair[side].sql
                picks[side].append(sqls[side])
            columns.append((own, target, result))
        if node.args.get("distinct"):
            _check_equality([operand for _, _, operand in left.columns + right.columns], word)
        sides = []
        for side, query in enumerate((left, right)):
            if converted[side]:
                listed = ", ".join(
                    f"{sql} AS {quote(target)}" for sql, (_, target, _) in zip(picks[side], left.columns, strict=True)
                )
                sides.append(f"(SELECT {listed} FROM ({query.sql}) AS {quote(_WRAPPED)})")
            else:
                sides.append(f"({query.sql})")
        result_ = Result(f" {word} ".join(sides), tuple(columns))
        if node.args.get("order"):
            return self._ordered_outside(node, result_)
        return replace(result_, sql=result_.sql + self._limit(node))


def named(result: Result, names: Sequence[str]) -> Result:
    """A query whose columns have these names on both ends.

    Raises:
        Refused: Their number is another one.
    """
    if len(names) != len(result.columns):
        raise Refused(f"the view lists {len(names)} columns, and its query has {len(result.columns)}")
    if [target for _, target, _ in result.columns] == list(names):
        return result
    renamed = _renamed(result, names)
    listed = ", ".join(quote(target) for _, target, _ in renamed.columns)
    return replace(renamed, sql=f"SELECT * FROM ({result.sql}) AS {quote(_WRAPPED)} ({listed})")


def _renamed(result: Result, names: Sequence[str]) -> Result:
    if len(names) != len(result.columns):
        raise Refused(f"{len(names)} names for {len(result.columns)} columns")
    columns = [(name, name, operand) for name, (_, _, operand) in zip(names, result.columns, strict=True)]
    return replace(result, columns=tuple(_distinct_names(columns)))


def _source_of_result(result: Result, name: str, alias: str, merged: frozenset[str] = frozenset()) -> Source:
    columns = {}
    for own, target, operand in result.columns:
        columns[own] = (target, replace(operand, sql=quoted_column(alias, target), column=True))
    return Source(name, alias, columns, merged)


def _distinct_names(columns: list[tuple[str, str, Operand]]) -> list[tuple[str, str, Operand]]:
    """SQLite names the second of two like-named columns ``name:1``; Postgres wants names apart, and short."""
    seen: set[str] = set()
    targets: set[str] = set()
    result = []
    for name, target, operand in columns:
        own, number = name, 0
        while own.lower() in seen:
            number += 1
            own = f"{name}:{number}"
        seen.add(own.lower())
        fitting = shorten(f"{target}:{number}" if number else target, targets)
        targets.add(fitting)
        result.append((own, fitting, operand))
    return result


def _star(node: exp.Expr) -> str | None:
    """The table of ``t.*``, the empty string for ``*``, None for anything else."""
    if isinstance(node, exp.Star):
        return ""
    return node.table if isinstance(node, exp.Column) and isinstance(node.this, exp.Star) else None


def _listed(operand: Operand, target: str) -> str:
    own = operand.column and operand.sql.endswith(f".{quote(target)}")
    return operand.sql if own else f"{operand.sql} AS {quote(target)}"


def _chosen(node: exp.Expr, columns: Sequence[tuple[str, str, Operand]]) -> Operand | None:
    """The result column that a number in GROUP BY or ORDER BY stands for."""
    if not isinstance(node, exp.Literal) or node.args.get("is_string"):
        return None
    position = int(node.this) if str(node.this).isdigit() else 0
    if not 1 <= position <= len(columns):
        raise Refused(f"there is no result column {node.this}")
    return columns[position - 1][2]


def _aliased(node: exp.Expr, columns: Sequence[tuple[str, str, Operand]]) -> Operand | None:
    if not isinstance(node, exp.Column) or node.table:
        return None
    return next((operand for name, _, operand in columns if name.lower() == node.name.lower()), None)


def _sorted(operand: Operand, item: exp.Expr) -> str:
    """One entry of ORDER BY; NULLs are the least of all values in SQLite, and the greatest in Postgres."""
    descending = bool(item.args.get("desc"))
    nulls_first = item.args.get("nulls_first")
    first = not descending if nulls_first is None else bool(nulls_first)
    if operand.literal is not None:
        return f"({operand.sql} IS NULL)"
    return f"{collated(operand)}{' DESC' if descending else ''} NULLS {'FIRST' if first else 'LAST'}"


def _check_equality(operands: Sequence[Operand], what: str) -> None:
    for operand in operands:
        if operand.form != "text-cast" and operand.collation not in (None, "BINARY"):
            raise Refused(f"{what} of a column that ignores case or spaces")
        if operand.form == "mixed" or operand.type == "json":
            raise Refused(f"{what} of a column of type {operand.type}")


def _given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value]


def _only(node: exp.Expr, allowed: frozenset[str]) -> None:
    others = sorted(set(_given(node)) - allowed)
    if others:
        raise Refused(f"the clause {others[0].strip('_').upper()} has no equivalent that is known here")
