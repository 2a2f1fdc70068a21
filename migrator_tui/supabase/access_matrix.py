"""Who may do what on which table, found by trying it: each trial as the role and the user it is about, rolled back.

Reading policies would say what somebody meant. Here ``anon``, a user, another user and ``service_role`` select, insert,
update and delete one row each, in subtransactions that never end well. A row that is refused by a constraint was let
through by the policies, which are asked first; a refusal by rights or policies is SQLSTATE 42501.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.project import TableExposure
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql
from migrator_tui.supabase.exposure import API_ROLES, VERBS
from migrator_tui.supabase.policies import ADMIN

ANON, USER, ANOTHER, SERVICE, ADMINISTRATOR = "anon", "a user", "another user", "service_role", "an administrator"
HAND_OVER = "hand over"
"""Making a row of one's own another's: an update that only a ``WITH CHECK`` refuses."""
BATCH = 200
LARGEST_SAMPLE = 65_536
"""Bytes of a row that is tried to be inserted again; a larger one is tried with NULL in most columns."""

_TRY = """
CREATE FUNCTION pg_temp.migrator_try(who text, claims text, tried text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
    PERFORM set_config('migrator.row', '0', true),
            set_config('request.jwt.claims', claims, true),
            set_config('request.jwt.claim.sub', claims::jsonb ->> 'sub', true),
            set_config('request.jwt.claim.role', claims::jsonb ->> 'role', true);
    PERFORM set_config('role', who, true);
    EXECUTE tried;
    GET DIAGNOSTICS n = ROW_COUNT;
    RAISE EXCEPTION SQLSTATE 'MTTRY' USING MESSAGE = n::text;
EXCEPTION
    WHEN SQLSTATE 'MTTRY' THEN RETURN SQLERRM;
    WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$
"""


_USER_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""As ``auth.uid()::text`` writes it; a row that names its owner otherwise is no user's."""
_DIVISION = "22012"
_REACHED = "1 / (random() * 0)::int = 1"
"""Divides by zero at the first row that policies let through: they are asked before what might leak a row."""
_FIRST = (
    "CASE WHEN set_config('migrator.row', (current_setting('migrator.row')::int + 1)::text, true) = '1' "
    f"THEN true ELSE {_REACHED} END"
)
"""The first row is written, and its ``WITH CHECK`` asked; the second ends it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing tried.

    Attributes:
        verb: One of ``VERBS``, :data:`HAND_OVER`, or ``SELECT column`` for a hidden one.
        may: Whether it was let through; None where it could not be tried, ``why`` says so.
        expected: What the plan means; None where it says nothing.
    """

    table: TableName
    who: str
    verb: str
    may: bool | None
    expected: bool | None = None
    why: str = ""

    @property
    def wrong(self) -> bool:
        """It is not as it was meant."""
        return self.may is not None and self.expected is not None and self.may != self.expected

    @property
    def sentence(self) -> str:
        """What is wrong, in words."""
        verb = self.verb.lower() if self.verb in VERBS else self.verb.replace("SELECT ", "read ")
        return f"{self.table}: {self.who} {'may' if self.may else 'may not'} {verb}, against the plan."


@dataclass(frozen=True, slots=True)
class Trial:
    """One statement that is tried as a role with claims.

    Attributes:
        rows: Whether it takes a row that is reached, not only a right, to have been let through.
    """

    who: str
    verb: str
    role: str
    claims: str
    statement: str
    rows: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """What is known of a table, as its owner sees it.

    Attributes:
        columns: That can be written.
        changed: The column that updates set to what it is.
        key: The condition that finds the sample row; None where there is no row.
        owner: The sample row's.
        sample: The row as JSON.
    """

    exposure: TableExposure
    columns: tuple[str, ...]
    changed: str
    key: str | None = None
    owner: str | None = None
    sample: str | None = None


def expected(exposure: TableExposure, who: str, verb: str) -> bool | None:
    """What the plan means of one trial."""
    if who == SERVICE:
        return True if verb in VERBS else None
    if verb.startswith("SELECT "):
        return False
    reads = exposure.policy in ("read-all", "read-public")
    if who == ADMINISTRATOR:
        return exposure.policy == "admin"
    if who == ANON:
        public = exposure.policy == "read-public" or (_has_owner(exposure) and exposure.read == "public")
        return verb == "SELECT" and public
    if verb == "SELECT" and (reads or (_has_owner(exposure) and exposure.read != "own")):
        return True
    if who == ANOTHER or verb == HAND_OVER:
        return False
    return exposure.policy == "owner" or (exposure.policy == "owner-read" and verb == "SELECT")


def try_access(
    connection: psycopg.Connection[Any], exposures: Sequence[TableExposure], views: Collection[TableName] = ()
) -> tuple[Tried, ...]:
    """Try everything. Changes nothing: it happens in a transaction that is rolled back.

    Args:
        views: Tried for reading by ``anon`` alone, who is to see nothing by them.

    Raises:
        psycopg.Error: The connection was lost, or the role of the session may not become those of the API.
    """
    with trying(connection) as answers_to:
        tables = [_look(connection, exposure) for exposure in exposures]
        trials = [(table, trial) for table in tables for trial in _trials(table)]
        answers = answers_to([trial for _, trial in trials])
        found = [_judge(table, trial, said) for (table, trial), said in zip(trials, answers, strict=True)]
        seen = [Trial(ANON, "SELECT", "anon", claims_of("anon"), _any_row(view), True) for view in views]
        for view, trial, said in zip(views, seen, answers_to(seen), strict=True):
            may, why = verdict(said, trial)
            found.append(Tried(view, ANON, "SELECT", bool(may) if may is None else may, False, why))
    return tuple(found)


@contextmanager
def trying(connection: psycopg.Connection[Any]) -> Iterator[Callable[[Sequence[Trial]], list[str]]]:
    """A transaction that is rolled back, and what trials in it are answered: rows, or an SQLSTATE and its text.

    Raises:
        psycopg.Error: The role of the session may not become those of the API.
    """
    with connection.transaction(force_rollback=True):
        # The program's own sessions raise where a policy would hide rows; here it is to hide them.
        connection.execute("SET LOCAL row_security = on; SET LOCAL lock_timeout = '1s'")
        # Within a trial a role that cannot be taken on would look like a refusal.
        connection.execute("; ".join(f"SET LOCAL ROLE {role}; RESET ROLE" for role in API_ROLES).encode())
        connection.execute(sql(_TRY))
        yield lambda trials: _answers(connection, trials)


def _answers(connection: psycopg.Connection[Any], trials: Sequence[Trial]) -> list[str]:
    answers: list[str] = []
    for at in range(0, len(trials), BATCH):
        some = trials[at : at + BATCH]
        rows = connection.execute(
            "SELECT pg_temp.migrator_try(t.who, t.claims, t.tried) FROM unnest(%s::text[], %s::text[], %s::text[]) "
            "WITH ORDINALITY AS t(who, claims, tried, n) ORDER BY n",
            ([t.role for t in some], [t.claims for t in some], [t.statement for t in some]),
        ).fetchall()
        answers += [said for (said,) in rows]
    return answers


def _look(connection: psycopg.Connection[Any], exposure: TableExposure) -> _Table:
    """A sample row of the table, with an owner where it has one."""
    name = quote_name(exposure.table)
    rows = connection.execute(
        "SELECT a.attname::text, a.atttypid = 'bytea'::regtype, a.attidentity = 'a', "
        "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)) "
        "FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped "
        "AND a.attgenerated = '' ORDER BY a.attnum",
        (name,),
    ).fetchall()
    columns = tuple(row[0] for row in rows)
    keys = [column for column, _, _, in_key in rows if in_key]
    # Not a key, which others may refer to, where there is another column.
    changeable = sorted((in_key, n, c) for n, (c, _, always, in_key) in enumerate(rows) if not always)
    changed = [c for _, _, c in changeable if c not in (*exposure.hidden, exposure.owner)] or list(columns)
    light = ", ".join(f"t.{quote(column)}" for column, heavy, _, _ in rows if not heavy)
    at = [f"quote_literal(t.{quote(key)}::text)" for key in keys] or ["quote_literal(t.ctid::text)"]
    of = f"t.{quote(exposure.owner)}::text" if exposure.owner else "NULL"
    where = f" WHERE {of} ~ {quote_literal(_USER_ID)}" if exposure.owner else ""
    found = connection.execute(
        sql(
            f"SELECT ARRAY[{', '.join(at)}], {of}, CASE WHEN pg_column_size(t.*) <= {LARGEST_SAMPLE} "
            f"THEN (SELECT to_jsonb(s) FROM (SELECT {light}) s)::text END FROM {name} t{where} LIMIT 1"
        )
    ).fetchone()
    if found is None:
        return _Table(exposure, columns, changed[0])
    values, owner, sample = found
    key = " AND ".join(f"{quote(k)} = {v}" for k, v in zip(keys or ["ctid"], values, strict=True))
    return _Table(exposure, columns, changed[0], key, owner, sample)


def _trials(table: _Table) -> Iterator[Trial]:
    exposure = table.exposure
    other = str(uuid.uuid4())
    owner = table.owner if is_uuid(table.owner) else None
    user = owner or str(uuid.uuid4())
    people = [(ANON, "anon", claims_of("anon"), other), (USER, "authenticated", claims_of("authenticated", user), user)]
    people.append((ANOTHER, "authenticated", claims_of("authenticated", other), user))
    people.append((SERVICE, "service_role", claims_of("service_role"), user))
    if exposure.policy == "admin":
        admin = claims_of("authenticated", other, {"role": ADMIN})
        people.append((ADMINISTRATOR, "authenticated", admin, user))
    for who, role, claims, named in people:
        for verb in VERBS:
            yield Trial(who, verb, role, claims, _statement(table, who, verb, named), verb != "INSERT")
    if exposure.owner is not None and table.key is not None:
        name, column = quote_name(exposure.table), quote(exposure.owner)
        text = f"UPDATE {name} SET {column} = {_user_as(exposure, other)} WHERE {_FIRST}"
        yield Trial(USER, HAND_OVER, "authenticated", claims_of("authenticated", user), text, True)
    for hidden in exposure.hidden:
        text = f"SELECT {quote(hidden)} FROM {quote_name(exposure.table)} LIMIT 0"
        yield Trial(USER, f"SELECT {hidden}", "authenticated", claims_of("authenticated", user), text, False)


def _statement(table: _Table, who: str, verb: str, named: str) -> str:
    """What is tried. But for a user's own row, nothing is written even for a moment: reaching a row is enough.

    Without reading a column: where a statement reads one, the policies for SELECT hide rows from it as well, and
    somebody who changes or deletes blindly is not held by them.
    """
    name, column = quote_name(table.exposure.table), quote(table.changed)
    if verb == "INSERT":
        return _insert(table, named)
    if verb == "UPDATE" and who == USER and table.key is not None:
        return f"UPDATE {name} SET {column} = {column} WHERE {table.key}"
    return {
        "SELECT": _any_row(table.exposure.table),  # whoever sees any row sees somebody's: another user has none
        "UPDATE": f"UPDATE {name} SET {column} = NULL WHERE {_REACHED}",
        "DELETE": f"DELETE FROM {name} WHERE {_REACHED}",
    }[verb]


def _insert(table: _Table, named: str) -> str:
    """A row like the sample, in somebody's name. Every column is given: a default could be a sequence, which keeps."""
    exposure = table.exposure
    columns = [c for c in table.columns if c not in exposure.hidden]
    row = json.loads(table.sample) if table.sample else {}
    given = json.dumps({c: v for c, v in row.items() if c in columns and c != exposure.owner})
    values = (_user_as(exposure, named) if c == exposure.owner else f"r.{quote(c)}" for c in columns)
    name = quote_name(exposure.table)
    return (
        f"INSERT INTO {name} ({', '.join(map(quote, columns))}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values)} "
        f"FROM jsonb_populate_record(NULL::{name}, {quote_literal(given)}::jsonb) r"
    )


def _user_as(exposure: TableExposure, user: str) -> str:
    return f"{quote_literal(user)}::{exposure.owner_type}"


def _any_row(table: TableName) -> str:
    return f"SELECT 1 FROM {quote_name(table)} LIMIT 1"


def _judge(table: _Table, trial: Trial, said: str) -> Tried:
    may, why = verdict(said, trial)
    if may is False and trial.rows and table.key is None and not why:
        may, why = None, "there is no row to try it on"
    meant = expected(table.exposure, trial.who, trial.verb)
    return Tried(table.exposure.table, trial.who, trial.verb, may, meant, why)


def verdict(said: str, trial: Trial) -> tuple[bool | None, str]:
    """Whether an answer means that a trial was let through, None where that cannot be said, and why."""
    state, _, why = said.partition(" ")
    if state.isdigit() and not why:
        return int(state) > 0 or not trial.rows, ""
    if state == "42501":
        return False, why
    if state == _DIVISION:
        return True, ""
    if state.startswith("23") and not why.startswith("domain "):  # a constraint, which is asked after the policies
        return True, why
    return None, f"{why} ({state})"


def claims_of(role: str, user: str | None = None, metadata: Mapping[str, str] | None = None) -> str:
    """The claims of a token, as the Data API sets them."""
    claims: dict[str, Any] = {"role": role}
    if user is not None:
        claims |= {"sub": user, "aud": "authenticated"}
    return json.dumps(claims | ({"app_metadata": metadata} if metadata else {}))


def _has_owner(exposure: TableExposure) -> bool:
    return exposure.policy in ("owner", "owner-read")


def is_uuid(text: str | None) -> bool:
    """Whether a text is a UUID, as users of Auth have them."""
    try:
        uuid.UUID(text or "")
    except ValueError:
        return False
    return True
