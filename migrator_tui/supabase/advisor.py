"""What a linter would say of a project's tables, in the manner of Supabase's own.

The checks and their numbers are those of supabase/splinter, read off its descriptions; the queries are this program's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg

from migrator_tui.model.schema import TableName
from migrator_tui.supabase.sensitive import sensitive

_IDENTITY = re.compile(r"\bauth\.(?:uid|jwt|role|email)\(\)|\bcurrent_setting\(")
_ONCE = re.compile(r"SELECT\s+\(*(?:auth\.(?:uid|jwt|role|email)\(\)|current_setting\()", re.IGNORECASE)


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that a linter would say.

    Attributes:
        lint: Number of splinter's check, such as ``0013``; ``index`` for a policy column without an index.
        table: The table or view; None for a function.
        object: The policy, column, constraint or function.
        fix: What to do.
    """

    lint: str
    level: Level
    table: TableName | None
    object: str | None
    message: str
    fix: str

    @property
    def sentence(self) -> str:
        """In one line, for a report."""
        return f"{self.level.value.capitalize()} {self.lint}: {self.message} {self.fix}"

    def as_json(self) -> dict[str, Any]:
        """For the JSON document."""
        return {
            "lint": self.lint,
            "level": self.level.value,
            "table": str(self.table) if self.table else None,
            "object": self.object,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class _Policy:
    table: TableName
    name: str
    command: str
    expression: str
    columns: tuple[str, ...]
    unindexed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Relation:
    table: TableName
    view: bool
    secured: bool
    invoker: bool
    reachable: bool
    readable: tuple[str, ...]


_RELATIONS = """
SELECT n.nspname::text, c.relname::text, c.relkind = 'v', c.relrowsecurity,
    coalesce(c.reloptions @> '{security_invoker=on}' OR c.reloptions @> '{security_invoker=true}'
             OR c.reloptions @> '{security_invoker=1}', false),
    EXISTS (SELECT FROM api WHERE has_any_column_privilege(api.oid, c.oid, 'SELECT')),
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND EXISTS (SELECT FROM api WHERE has_column_privilege(api.oid, c.oid, a.attnum, 'SELECT')) ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'p', 'v')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
ORDER BY 1, 2
"""
_API = "WITH api AS (SELECT oid FROM pg_roles WHERE rolname IN ('anon', 'authenticated')) "
_POLICIES = """
SELECT n.nspname::text, c.relname::text, p.polname::text, p.polcmd::text,
    concat_ws(' ', pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)),
    ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d JOIN pg_attribute a ON a.attrelid = c.oid
          AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0 ORDER BY 1),
    ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d JOIN pg_attribute a ON a.attrelid = c.oid
          AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0
          AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum) ORDER BY 1)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s) ORDER BY 1, 2, 3
"""
_FUNCTIONS = """
SELECT n.nspname::text, p.proname::text || '(' || pg_get_function_identity_arguments(p.oid) || ')'
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(schemas)s) AND p.prokind = 'f'
    AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search\\_path=%%')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                    AND d.deptype = 'e')
ORDER BY 1, 2
"""
_DEFINERS = """
SELECT n.nspname::text, p.proname::text || '(' || pg_get_function_identity_arguments(p.oid) || ')',
    coalesce(p.prosrc, ''), has_function_privilege('anon', p.oid, 'EXECUTE')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(schemas)s) AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
    AND (has_function_privilege('anon', p.oid, 'EXECUTE') OR has_function_privilege('authenticated', p.oid, 'EXECUTE'))
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                    AND d.deptype = 'e')
ORDER BY 1, 2
"""
_KEYS = """
SELECT n.nspname::text, c.relname::text, k.conname::text, k.confrelid::regclass::text
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class p ON p.oid = k.confrelid
WHERE k.contype = 'f' AND n.nspname = ANY(%(schemas)s) AND p.relnamespace = to_regnamespace('auth')
    AND NOT EXISTS (SELECT FROM pg_constraint pk WHERE pk.conrelid = k.confrelid AND pk.contype = 'p'
                    AND pk.conkey @> k.confkey AND pk.conkey <@ k.confkey)
ORDER BY 1, 2, 3
"""


def advise(connection: psycopg.Connection[Any], *, schemas: Sequence[str]) -> tuple[Advice, ...]:
    """What is to be said of the tables, views, policies and functions of schemas, the worst first. Changes nothing.

    Args:
        schemas: That the Data API serves; ``public`` usually.
    """
    given = {"schemas": list(schemas)}
    relations = [
        _Relation(TableName(schema, name), view, secured, invoker, reachable, tuple(readable))
        for schema, name, view, secured, invoker, reachable, readable in connection.execute(
            (_API + _RELATIONS).encode(), given
        )
    ]
    policies = [
        _Policy(TableName(schema, name), policy, command, expression, tuple(columns), tuple(unindexed))
        for schema, name, policy, command, expression, columns, unindexed in connection.execute(
            _POLICIES.encode(), given
        )
    ]
    found = [*_of_relations(relations, policies), *_of_policies(policies)]
    for schema, name in connection.execute(_FUNCTIONS.encode(), given):
        found.append(
            Advice(
                "0011", Level.WARN, None, f"{schema}.{name}",
                f"The function {schema}.{name} looks names up by the caller's search_path.",
                "Give it SET search_path = ''.",
            )
        )  # fmt: skip
    for schema, name, body, anybody in connection.execute(_DEFINERS.encode(), given):
        found.append(_past_policies(f"{schema}.{name}", body, anybody, relations))
    for schema, name, key, parent in connection.execute(_KEYS.encode(), given):
        found.append(
            Advice(
                "0021", Level.WARN, TableName(schema, name), key,
                f"{schema}.{name}: the foreign key {key} refers to a column of {parent} that is no primary key.",
                "Refer to its primary key: Supabase may drop other keys there.",
            )
        )  # fmt: skip
    order = {level: n for n, level in enumerate(Level)}
    return tuple(sorted(found, key=lambda a: (order[a.level], a.lint, str(a.table), a.object or "")))


def _of_relations(relations: Collection[_Relation], policies: Collection[_Policy]) -> Iterator[Advice]:
    with_policies = {policy.table for policy in policies}
    let_read = {policy.table for policy in policies if policy.command in ("r", "*")}
    for relation in relations:
        table = relation.table
        if relation.view:
            if relation.reachable and not relation.invoker:
                yield Advice(
                    "0010", Level.ERROR, table, None,
                    f"The view {table} shows its tables with its owner's rights, past their policies.",
                    "Set security_invoker = on.",
                )  # fmt: skip
            continue
        if not relation.secured:
            who = "anybody with the project's address" if relation.reachable else "whoever is granted a right"
            yield Advice(
                "0013", Level.ERROR, table, None,
                f"{table} has no row-level security: {who} reaches every row.",
                "Enable it, and add policies.",
            )  # fmt: skip
            if table in with_policies:
                yield Advice(
                    "0007", Level.ERROR, table, None,
                    f"{table} has policies, and row-level security is off: none of them counts.",
                    "Enable row-level security.",
                )  # fmt: skip
        elif table not in with_policies:
            yield Advice(
                "0008", Level.INFO, table, None,
                f"{table} has row-level security and no policy: it is closed.",
                "Add a policy if somebody is to reach it.",
            )  # fmt: skip
        if not relation.secured or table in let_read:
            for column in relation.readable:
                if (what := sensitive(column)) is not None:
                    yield Advice(
                        "0023", Level.ERROR, table, column,
                        f"{table}.{column} looks like {what}, and the API's roles may read it.",
                        "Leave the column behind, or grant the others alone.",
                    )  # fmt: skip


def _past_policies(function: str, body: str, anybody: bool, relations: Collection[_Relation]) -> Advice:
    """What a function that runs with its owner's rights opens, by the tables that its text names."""
    words = set(re.findall(r"\w+", body))
    reached = [one.table for one in relations if not one.view and one.table.name in words]
    who = "anybody with the project's address" if anybody else "whoever is signed in"
    tables = f" It names {', '.join(map(str, reached))}." if reached else ""
    return Advice(
        "0028" if anybody else "0029", Level.WARN, reached[0] if reached else None, function,
        f"The function {function} runs with its owner's rights, past all policies, and {who} may call it.{tables}",
        "Make it SECURITY INVOKER, or revoke EXECUTE from PUBLIC, anon and authenticated.",
    )  # fmt: skip


def _of_policies(policies: Collection[_Policy]) -> Iterator[Advice]:
    told = set()
    for policy in policies:
        if "user_metadata" in policy.expression:
            yield Advice(
                "0015", Level.ERROR, policy.table, policy.name,
                f"The policy {policy.name} of {policy.table} trusts user_metadata, which users write themselves.",
                "Use app_metadata.",
            )  # fmt: skip
        if len(_IDENTITY.findall(policy.expression)) > len(_ONCE.findall(policy.expression)):
            yield Advice(
                "0003", Level.WARN, policy.table, policy.name,
                f"The policy {policy.name} of {policy.table} asks who the user is once a row.",
                "Write (select auth.uid()), which is asked once a statement.",
            )  # fmt: skip
        if policy.columns and set(policy.columns) == set(policy.unindexed) and policy.table not in told:
            told.add(policy.table)
            yield Advice(
                "index", Level.INFO, policy.table, policy.unindexed[0],
                f"The policies of {policy.table} look at {', '.join(policy.unindexed)}, and no index begins with it.",
                "Create one, or each request reads the whole table.",
            )  # fmt: skip
