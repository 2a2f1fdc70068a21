"""The place that tables are restored into, and who may reach them there: policies, triggers, grants, owners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.postgres.merge import sql

Connection = psycopg.Connection[tuple[Any, ...]]
Document = dict[str, Any]
Purpose = Literal["put back", "beside", "proof"]
"""What the tables are for: to be the live ones; to stand beside them in a schema of their own, where nothing shall act
on the live ones (no triggers, no foreign keys out of the schema); or to be compared and rolled back."""


class Place:
    """A schema of a target, within an open transaction; notes what the target does not take."""

    def __init__(self, connection: Connection, schema: str, purpose: Purpose) -> None:
        self._connection = connection
        self._schema = schema
        self._purpose = purpose
        self._missed: list[dict[str, str]] = []

    def _make_policy(self, place: str, policy: Document) -> None:
        command = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}.get(policy["command"], "ALL")
        text = (
            f"CREATE POLICY {quote(policy['name'])} ON {place} AS "
            f"{'PERMISSIVE' if policy['permissive'] else 'RESTRICTIVE'} FOR {command} TO "
            + ", ".join("PUBLIC" if role is None else quote(role) for role in policy["roles"])
        )
        if policy["using"] is not None:
            text += f" USING ({policy['using']})"
        if policy["check"] is not None:
            text += f" WITH CHECK ({policy['check']})"
        self._do(text)
        self._comment("POLICY", f"{quote(policy['name'])} ON {place}", policy["comment"])

    def _make_trigger(self, place: str, trigger: Document) -> None:
        self._do(trigger["sql"])
        states = {"D": "DISABLE TRIGGER", "R": "ENABLE REPLICA TRIGGER", "A": "ENABLE ALWAYS TRIGGER"}
        if state := states.get(trigger["enabled"]):
            self._do(f"ALTER TABLE {place} {state} {quote(trigger['name'])}")
        self._comment("TRIGGER", f"{quote(trigger['name'])} ON {place}", trigger["comment"])

    def _close(self, name: str) -> None:
        """Take back what others than the owner were granted when it was made."""
        granted = self._ask(
            "SELECT DISTINCT CASE WHEN x.grantee = 0 THEN NULL ELSE pg_get_userbyid(x.grantee) END, c.relkind::text "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x "
            "WHERE n.nspname = %s AND c.relname = %s AND x.grantee <> c.relowner",
            (self._schema, name),
        )
        for role, kind in granted:
            what = "SEQUENCE" if kind == "S" else "TABLE"
            self._do(f"REVOKE ALL ON {what} {self._place(name)} FROM {'PUBLIC' if role is None else quote(role)}")

    def _grant(self, kind: str, place: str, acl: Sequence[Sequence[Any]], column: str | None = None) -> None:
        if self._purpose == "proof":
            return
        for role, privilege, grantable in acl:
            who = "PUBLIC" if role is None else quote(role)
            on = f"{privilege} ({quote(column)})" if column else privilege
            statement = f"GRANT {on} ON {kind} {place} TO {who}{' WITH GRANT OPTION' if grantable else ''}"
            self._try("grant", f"{on} on {place} to {who}", lambda s=statement: self._do(s))  # type: ignore[misc]

    def _hand_over(self, kind: str, place: str, item: Document) -> None:
        """Give it to the owner that it had; what this role may not do is told."""
        owner = item["owner"]
        if self._purpose == "proof" or self._ask("SELECT current_user = %s", (owner,))[0][0]:
            return
        self._try("owner", f"{owner} of {place}", lambda: self._do(f"ALTER {kind} {place} OWNER TO {quote(owner)}"))

    def _place(self, name: str) -> str:
        return f"{quote(self._schema)}.{quote(name)}"

    def _do(self, statement: str) -> None:
        self._connection.execute(sql(statement))

    def _ask(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql(query), parameters).fetchall()

    def _comment(self, kind: str, place: str, comment: str | None) -> None:
        if comment is not None:
            self._do(f"COMMENT ON {kind} {place} IS {quote_literal(comment)}")

    def _try(self, object: str, name: str, make: Callable[[], None]) -> bool:
        try:
            with self._connection.transaction():
                make()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            self._miss(object, name, error.diag.message_primary or type(error).__name__)
            return False
        return True

    def _miss(self, object: str, name: str, why: str) -> None:
        self._missed.append({"object": object, "name": name, "why": why})
