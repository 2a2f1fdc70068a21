"""SQLite's grammar, as sqlglot reads it, with every function left as it was written.

sqlglot knows many functions by other names and meanings than SQLite's (``date``, ``strftime``, ``substr``), so none of
its own are used: what a function means is said in :mod:`migrator_tui.convert.functions` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.parsers.sqlite import SQLiteParser
from sqlglot.tokenizer_core import Token, TokenType

from migrator_tui.convert.operands import Refused

UNREADABLE = (SqlglotError, RecursionError, ValueError)
"""By what sqlglot says that it cannot read a text; ValueError for ``date("")``, whose argument it takes for a type."""

_PREFIX = "SELECT "

_OPERANDS_END = {
    TokenType.R_PAREN,
    TokenType.NUMBER,
    TokenType.STRING,
    TokenType.IDENTIFIER,
    TokenType.VAR,
    TokenType.HEX_STRING,
    TokenType.NULL,
    TokenType.TRUE,
    TokenType.FALSE,
    TokenType.END,
    TokenType.CURRENT_DATE,
    TokenType.CURRENT_TIME,
    TokenType.CURRENT_TIMESTAMP,
}

_EXPRESSIONS_BEGIN = {
    TokenType.SELECT,
    TokenType.DISTINCT,
    TokenType.WHERE,
    TokenType.ON,
    TokenType.HAVING,
    TokenType.AND,
    TokenType.OR,
    TokenType.NOT,
    TokenType.CASE,
    TokenType.WHEN,
    TokenType.THEN,
    TokenType.ELSE,
    TokenType.BETWEEN,
    TokenType.LIKE,
    TokenType.IS,
    TokenType.GROUP_BY,
    TokenType.ORDER_BY,
    TokenType.LIMIT,
}


_LISTED = """
    ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE CASE
    CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE
    EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP
    GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN KEY
    LAST LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER OTHERS OUTER
    OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RECURSIVE REFERENCES REGEXP REINDEX RELEASE RENAME
    REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN TIES TO
    TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHOUT
    TRUE FALSE
"""
_WORDS = frozenset(_LISTED.split())
"""SQLite's own (sqlite.org/lang_keywords.html) and its constants, but for RANGE, which is a name outside of windows."""

_TYPES = SQLiteParser.TYPE_TOKENS - SQLiteParser.NESTED_TYPE_TOKENS - {TokenType.INTERVAL}


def _is_keyword(word: str, token: TokenType) -> bool:
    if not word[0].isalpha():
        return True
    return token in _TYPES or all(part in _WORDS for part in word.split())


class SourceDialect(SQLite):
    """SQLite without what sqlglot knows of functions, and of other databases' keywords."""

    class Tokenizer(SQLite.Tokenizer):
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            word: token for word, token in SQLite.Tokenizer.KEYWORDS.items() if _is_keyword(word, token)
        }

    class Parser(SQLiteParser):
        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS = {"CAST": SQLiteParser.FUNCTION_PARSERS["CAST"]}  # noqa: RUF012
        NO_PAREN_FUNCTION_PARSERS = {"CASE": SQLiteParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}  # noqa: RUF012
        NO_PAREN_FUNCTIONS = {  # noqa: RUF012
            TokenType.CURRENT_DATE: exp.CurrentDate,
            TokenType.CURRENT_TIME: exp.CurrentTime,
            TokenType.CURRENT_TIMESTAMP: exp.CurrentTimestamp,
        }


class Parsed:
    """A statement or expression, and the text that it was read from.

    Attributes:
        utf16: The bytes of its texts are UTF-16 in SQLite.
    """

    def __init__(self, tree: exp.Expr, text: str, *, utf16: bool = False) -> None:
        self.tree = tree
        self.text = text
        self.utf16 = utf16

    def quoted_as_string(self, name: exp.Identifier) -> bool:
        """Whether a name stands in double quotes: SQLite reads one that names no column as a string."""
        start = name.meta.get("start")
        return isinstance(start, int) and self.text[start : start + 1] == '"'


def expression(text: str, *, utf16: bool = False) -> Parsed:
    """Read one expression.

    Raises:
        Refused: It is none, or has an operator whose meaning the parser loses.
    """
    whole = _PREFIX + text
    tree = _parse(whole)
    others = [key for key, value in tree.args.items() if value and key not in ("expressions", "kind")]
    if not isinstance(tree, exp.Select) or others or len(tree.expressions) != 1:
        raise Refused("it cannot be read as one expression")
    (found,) = tree.expressions
    if isinstance(found, exp.Alias | exp.Aliases):
        raise Refused("it cannot be read as one expression")
    return Parsed(found, whole, utf16=utf16)


def query(text: str, *, utf16: bool = False) -> Parsed:
    """Read a query.

    Raises:
        Refused: It is none, or has an operator whose meaning the parser loses.
    """
    return Parsed(_parse(text), text, utf16=utf16)


def view_body(sql: str) -> tuple[str, tuple[str, ...]]:
    """The query of a CREATE VIEW statement (or of a bare query), and the column names it lists.

    Raises:
        Refused: It is neither.
    """
    tokens = _tokens(sql)
    first = tokens[0].token_type if tokens else None
    if first in (TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.L_PAREN):
        return sql, ()
    if first is not TokenType.CREATE:
        raise Refused("it is no CREATE VIEW statement")
    depth = 0
    names: list[str] = []
    for token in tokens[1:]:
        if token.token_type is TokenType.L_PAREN:
            depth += 1
        elif token.token_type is TokenType.R_PAREN:
            depth -= 1
        elif token.token_type is TokenType.ALIAS and depth == 0:
            return sql[token.end + 1 :].rstrip().rstrip(";"), tuple(names)
        elif depth == 1 and token.token_type is not TokenType.COMMA:
            names.append(token.text)
    raise Refused("it is no CREATE VIEW statement")


def _tokens(text: str) -> list[Token]:
    try:
        return SourceDialect().tokenize(text)
    except UNREADABLE as error:
        raise Refused(f"it cannot be read: {_first_line(error)}") from error


def _parse(text: str) -> exp.Expr:
    tokens = _tokens(text)
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        # sqlglot drops a unary plus, which for SQLite takes a column's affinity away.
        if token.token_type is not TokenType.PLUS or before.token_type in _OPERANDS_END:
            continue
        signed = before.token_type in _EXPRESSIONS_BEGIN or not before.text.isidentifier()
        if signed and after.token_type is not TokenType.NUMBER:
            raise Refused("a unary plus before something other than a number")
    try:
        tree = sqlglot.parse_one(text, dialect=SourceDialect)
    except UNREADABLE as error:
        raise Refused(f"it cannot be read: {_first_line(error)}") from error
    return tree


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
