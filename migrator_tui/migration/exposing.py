"""Who may reach which table: set within the publishing transaction, tried afterwards, taken back with the run.

New tables take their rights and policies with them when they leave. Of a table that was there before, what was changed
is journalled in the run's step ``exposure``, and taken back where it still is as the run made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote_name
from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.model.errors import TargetError, VerificationFailed
from migrator_tui.model.outcome import Beside
from migrator_tui.model.plan import Plan
from migrator_tui.model.project import ProjectPlan, TableExposure
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ledger import read_step, write_step
from migrator_tui.postgres.merge import sql
from migrator_tui.supabase.access_matrix import Tried, try_access
from migrator_tui.supabase.advisor import Advice, advise
from migrator_tui.supabase.exposure import VERBS, statements, view_statements
from migrator_tui.supabase.object_matrix import try_objects
from migrator_tui.supabase.object_policies import close_again, open_to_owners, owned_buckets
from migrator_tui.supabase.rights import Rights, rights, take_back

STEP = "exposure"
SHOWN = 5
INSUFFICIENT = "42501"


class Exposing(Silent):
    """The companion that sets who may reach which table."""

    name = "exposure"

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """Row-level security, rights, policies, views; existing tables are journalled before and after.

        Without savepoints: undo takes what the publishing transaction itself wrote for its own.
        """
        project = _project(context.plan)
        journal = []
        for exposure in project.exposure:
            before = rights(connection, exposure.table) if exposure.existing else None
            there = {policy.partition("|")[0] for policy in before.policies} if before is not None else set()
            for statement in statements(exposure, sequences(connection, exposure.table), there):
                connection.execute(sql(statement))
            if before is not None:
                after = rights(connection, exposure.table)
                journal.append({"before": before.as_json(), "after": after.as_json()})
        for view in project.views:
            for statement in view_statements(view):
                connection.execute(sql(statement))
        buckets = owned_buckets(project.files)
        made = open_to_owners(connection, buckets) if buckets else {}
        write_step(connection, context.run, STEP, {"existing": journal, "objects": made})

    def verify(self, context: RunContext) -> Beside | None:
        """Try who may do what, and look at the result in the manner of Supabase's linter.

        Raises:
            VerificationFailed: Somebody may do what the plan does not mean.
        """
        project = _project(context.plan)
        try:
            tried, advice = context.with_target(lambda c: look(c, project))
        except TargetError as error:
            if error.sqlstate != INSUFFICIENT:
                raise
            why = f"Nothing could be tried, because the role may not become those of the API: {error.message}"
            return replace(beside(project, (), ()), verified=False, lines=(why,))
        wrong = [one for one in tried if one.wrong]
        if wrong:
            more = f" And {len(wrong) - SHOWN} more." if len(wrong) > SHOWN else ""
            raise VerificationFailed(
                "VERIFY-ACCESS",
                " ".join(one.sentence for one in wrong[:SHOWN]) + more,
                "The tables are published. Mend the policies, or `migrator-tui rollback RUN` takes the run back.",
            )
        return beside(project, tried, advice)

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        """Give tables that were there before, and storage.objects, their rights and policies back."""
        done = read_step(connection, undoing.run, STEP)
        kept: list[str] = []
        for entry in reversed(done["existing"]) if done else ():
            kept += take_back(connection, Rights.from_json(entry["before"]), Rights.from_json(entry["after"]))
        if done and (made := done.get("objects")):
            kept += close_again(connection, made)
        return kept


def look(connection: psycopg.Connection[Any], project: ProjectPlan) -> tuple[tuple[Tried, ...], tuple[Advice, ...]]:
    """The matrix of the plan's tables and buckets, and what a linter says of them. Changes nothing."""
    tables = [exposure.table for exposure in project.exposure]
    found = advise(connection, schemas=sorted({table.schema for table in (*tables, *project.views)}))
    about = {*tables, *project.views}
    tried = (*try_access(connection, project.exposure, project.views), *try_objects(connection, project.files))
    return tried, tuple(a for a in found if a.table in about)


def beside(project: ProjectPlan, tried: Sequence[Tried], advice: Sequence[Advice]) -> Beside:
    """The line of the summary."""
    unclear = [one for one in tried if one.may is None]
    wrong = [one.sentence for one in tried if one.wrong]
    lines = [f"{e.table}: {_in_words(e)}. Tried: {who_may(e.table, tried)}." for e in project.exposure]
    buckets = sorted({one.table for one in tried if one.table.schema == "storage"}, key=str)
    lines += [f"{bucket}. Tried: {who_may(bucket, tried)}." for bucket in buckets]
    lines += wrong
    lines += [one.sentence for one in advice]
    if unclear:
        tables = sorted({str(one.table) for one in unclear})
        lines.append(f"Not everything could be tried on {', '.join(tables[:SHOWN])}: {unclear[0].why}.")
    closed = sum(exposure.policy == "none" for exposure in project.exposure)
    schemas = sorted({exposure.table.schema for exposure in project.exposure})
    return Beside(
        "exposure",
        ", ".join(schemas),
        total=len(project.exposure),
        moved=len(project.exposure) - closed,
        left=closed,
        verified=not wrong,
        lines=tuple(lines),
        details={
            "access": [
                {
                    "table": str(t.table),
                    "who": t.who,
                    "verb": t.verb,
                    "may": t.may,
                    "expected": t.expected,
                    "why": t.why,
                }
                for t in tried
            ],
            "advice": [a.as_json() for a in advice],
        },
    )


def who_may(table: TableName, tried: Sequence[Tried]) -> str:
    """What each was let do on one table, in words."""
    people = dict.fromkeys(t.who for t in tried if t.table == table)
    return ", ".join(f"{who} {_verbs([t for t in tried if t.table == table and t.who == who])}" for who in people)


def _verbs(tried: Sequence[Tried]) -> str:
    done = [t for t in tried if t.verb in VERBS]
    may = [t.verb.lower() for t in done if t.may]
    if all(t.may is not False for t in done) and may:
        return "everything"
    open_still = [t for t in done if t.may is None]
    return "/".join(may) or ("unknown" if open_still else "nothing")


def sequences(connection: psycopg.Connection[Any], table: TableName) -> list[str]:
    """The quoted names of the sequences that a table's columns are filled from."""
    rows = connection.execute(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(s.relname) FROM pg_depend d "
        "JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace "
        "WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass "
        "AND d.refobjid = %s::regclass AND d.deptype IN ('a', 'i') ORDER BY 1",
        (quote_name(table),),
    ).fetchall()
    return [name for (name,) in rows]


def _project(plan: Plan) -> ProjectPlan:
    assert plan.project is not None
    return plan.project


def _in_words(exposure: TableExposure) -> str:
    said = {
        "owner": f"users read and write the rows whose {exposure.owner} they are",
        "owner-read": f"users read the rows whose {exposure.owner} they are",
        "read-all": "everybody who is signed in reads it",
        "read-public": "everybody reads it",
        "admin": "administrators alone",
        "none": "closed",
    }[exposure.policy]
    if exposure.policy.startswith("owner") and exposure.read != "own":
        said += ", and everybody" + (" who is signed in" if exposure.read == "all" else "") + " reads all of them"
    return said + (f"; {', '.join(exposure.hidden)} hidden" if exposure.hidden else "")
