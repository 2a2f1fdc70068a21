"""Triggers as drafts in PL/pgSQL, for a person to review: nothing here is created by itself.

SQLite runs the statements of a trigger's body as they stand; Postgres wants a function and a trigger that calls it.
What cannot be read is kept as a comment, so that nothing of the original is missing from the draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from migrator_tui.convert import expressions
from migrator_tui.convert.grammar import SourceDialect
from migrator_tui.convert.identifiers import quote, quote_literal

HEADING = "-- A draft for PostgreSQL. Review it before use: it was not created."
_EVENTS = ("INSERT", "UPDATE", "DELETE")
_NAMES = (TokenType.IDENTIFIER, TokenType.STRING)


@dataclass(frozen=True, slots=True)
class _Trigger:
    name: str
    timing: str
    event: str
    columns: str
    table: str
    when: str
    statements: tuple[str, ...]


def draft(sql: str, tables: Mapping[str, str], schema: str) -> str:
    """A function and a trigger of the same intent, or the empty string where the statement cannot be read.

    Args:
        sql: The CREATE TRIGGER statement.
        tables: Source table or view → its name on the target.
        schema: Where function and trigger would be.
    """
    try:
        read = _read(sql)
        if read is None:
            return ""
        there = {name.lower(): target for name, target in tables.items()}
        body = [line for statement in read.statements for line in _statement(statement, there)]
        when = f"\n    WHEN ({_translated(_parsed(read.when, 'expression'), there)})" if read.when else ""
    except (SqlglotError, RecursionError, IndexError):
        return ""
    function = f"{quote(schema)}.{quote(read.name)}"
    table = f"{quote(schema)}.{quote(there.get(read.table.lower(), read.table))}"
    returned = "NULL" if read.timing == "AFTER" else "OLD" if read.event == "DELETE" else "NEW"
    event = f"{read.event} OF {read.columns}" if read.columns else read.event
    if when and read.timing == "INSTEAD OF":  # whose triggers Postgres lets have no condition
        body = [f"IF NOT{when.strip().removeprefix('WHEN')} THEN RETURN NULL; END IF;", *body]
        when = ""
    return "\n".join(
        [
            HEADING,
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $draft$",
            "BEGIN",
            *(f"    {line}" for line in body),
            f"    RETURN {returned};",
            "END",
            "$draft$;",
            f"CREATE TRIGGER {quote(read.name)} {read.timing} {event} ON {table}",
            f"    FOR EACH ROW{when}",
            f"    EXECUTE FUNCTION {function}();",
        ]
    )


def _read(sql: str) -> _Trigger | None:
    tokens = SourceDialect().tokenize(sql)
    words = ["" if token.token_type in _NAMES else token.text.upper() for token in tokens]
    if "TRIGGER" not in words or "BEGIN" not in words or "END" not in words:
        return None
    begin, end = words.index("BEGIN"), len(words) - 1 - words[::-1].index("END")
    event_at = next((n for n, word in enumerate(words[:begin]) if word in _EVENTS), None)
    if event_at is None or "ON" not in words[event_at:begin]:
        return None
    on = words.index("ON", event_at)
    name_at = words.index("TRIGGER") + 1
    if words[name_at] == "IF":
        name_at += 3
    if words[name_at + 1] == ".":
        name_at += 2
    when = words.index("WHEN", on, begin) if "WHEN" in words[on:begin] else None
    listed = tokens[event_at + 2 : on] if words[event_at + 1] == "OF" else []
    timing = words[event_at - 1]
    return _Trigger(
        tokens[name_at].text,
        {"OF": "INSTEAD OF", "AFTER": "AFTER"}.get(timing, "BEFORE"),
        words[event_at],
        ", ".join(quote(token.text) for token in listed if token.token_type is not TokenType.COMMA),
        tokens[on + 1].text,
        sql[tokens[when + 1].start : tokens[begin - 1].end + 1] if when is not None else "",
        _statements(sql, tokens[begin + 1 : end]),
    )


def _statements(sql: str, tokens: Sequence[Token]) -> tuple[str, ...]:
    found: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            found.append([])
        else:
            found[-1].append(token)
    return tuple(sql[some[0].start : some[-1].end + 1] for some in found if some)


def _statement(text: str, tables: Mapping[str, str]) -> list[str]:
    untranslated = ["-- Not translated:", *(f"-- {line.strip()}" for line in text.splitlines())]
    if text.split(None, 1)[0].upper() not in ("SELECT", *_EVENTS):
        return untranslated
    try:
        tree = _parsed(text, "statement")
        if isinstance(tree, exp.Select) and (raised := _raised(tree, tables)):
            return raised
        if isinstance(tree, exp.Select):
            return [f"PERFORM {_translated(tree, tables).removeprefix('SELECT ')};"]
        if isinstance(tree, exp.Insert):
            alternative = str(tree.args.get("alternative") or "")
            tree.set("alternative", None)
            suffix = " ON CONFLICT DO NOTHING" if alternative == "IGNORE" else ""
            note = [f"-- The original says INSERT OR {alternative}."] if alternative not in ("", "IGNORE") else []
            return [*note, f"{_translated(tree, tables)}{suffix};"]
        if isinstance(tree, exp.Update | exp.Delete):
            return [f"{_translated(tree, tables)};"]
    except (SqlglotError, RecursionError):
        pass
    return untranslated


def _raised(select: exp.Select, tables: Mapping[str, str]) -> list[str]:
    """``SELECT RAISE(…) WHERE …``, and the form with CASE."""
    lines: list[str] = []
    where = select.args.get("where")
    outer = [_translated(where.this, tables)] if where is not None else []
    for item in select.expressions:
        branches = [(None, item)]
        if isinstance(item, exp.Case) and item.this is None:
            branches = [(branch.this, branch.args["true"]) for branch in item.args["ifs"]]
        for test, action in branches:
            if not (isinstance(action, exp.Anonymous) and str(action.this).upper() == "RAISE"):
                return []
            tests = [*outer, *([_translated(test, tables)] if test is not None else [])]
            message = action.expressions[1].name if len(action.expressions) > 1 else None
            done = "RETURN NULL;" if message is None else f"RAISE EXCEPTION USING MESSAGE = {quote_literal(message)};"
            lines.append(f"IF {' AND '.join(f'({t})' for t in tests)} THEN {done} END IF;" if tests else done)
    return lines


def _parsed(text: str, kind: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(f"SELECT {text}" if kind == "expression" else text, dialect=SourceDialect)
    except ValueError as error:  # see UNREADABLE
        raise ParseError(str(error)) from error
    return tree.expressions[0] if kind == "expression" and isinstance(tree, exp.Select) else tree


def _translated(tree: exp.Expr, tables: Mapping[str, str]) -> str:
    return tree.copy().transform(_renamed, tables).sql(dialect="postgres", identify=True)


def _renamed(node: exp.Expr, tables: Mapping[str, str]) -> exp.Expr:
    if isinstance(node, exp.Table) and node.name.lower() in tables:
        node.set("this", exp.to_identifier(tables[node.name.lower()], quoted=True))
    elif isinstance(node, exp.Column) and node.table.lower() in ("new", "old"):
        node.set("table", exp.to_identifier(node.table.lower()))
    elif isinstance(node, exp.Anonymous) and not list(node.find_all(exp.Column)):
        constant = expressions.default(node.sql(dialect="sqlite"), "text")
        if constant.sql is not None:
            return exp.Var(this=constant.sql)
    return node
