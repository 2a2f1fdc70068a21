"""Values for columns that only the target has: what a person may write, and the SQL that it becomes."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from migrator_tui.convert.grammar import UNREADABLE
from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.model.plan import FillText


def as_sql(value: str | FillText) -> str:
    """The SQL expression of what a person wrote.

    Raises:
        ValueError: It is no single expression, or holds NUL. Says what was expected.
    """
    if isinstance(value, FillText):
        return quote_literal(value.value)
    _parsed(value)
    return value


def depends_on_row(expression: str) -> bool:
    """Whether the expression reads columns, so that its value is known only beside a row."""
    return next(_parsed(expression).find_all(exp.Column), None) is not None


def is_constant(expression: str) -> bool:
    """Whether the expression calls nothing and reads nothing, so that it is the same each time."""
    return next(_parsed(expression).find_all(exp.Column, exp.Func, exp.Query), None) is None


def _parsed(expression: str) -> exp.Expression:
    """The expression's tree.

    Raises:
        ValueError: It is not one expression that stands alone.
    """
    problem = f"expected one SQL expression such as 'acme' (with its quotes) or now(), not {expression}"
    if not expression.strip() or "\0" in expression:
        raise ValueError(problem)
    try:
        # On a line of its own, so that a comment cannot swallow what follows it where the expression is used.
        statements = sqlglot.parse(f"SELECT (\n{expression}\n)", read="postgres")
    except UNREADABLE as error:
        raise ValueError(problem) from error
    tree = statements[0] if len(statements) == 1 else None
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        raise ValueError(problem)
    inner = tree.expressions[0]
    clauses = {name for name, value in tree.args.items() if value and name not in ("expressions", "kind")}
    if clauses or not isinstance(inner, (exp.Paren, exp.Subquery)):
        raise ValueError(problem)
    found: exp.Expression = inner
    return found
