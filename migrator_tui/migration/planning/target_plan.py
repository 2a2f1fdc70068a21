"""The plan against a real target: inspected, planned, proved there; and the rights that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import Names
from migrator_tui.migration.planning import drafting, guess_users, plan_blobs, plan_users
from migrator_tui.migration.planning.examples import with_examples
from migrator_tui.migration.planning.plan_draft import Chooser, Target
from migrator_tui.migration.planning.plan_exposure import script as exposure_script
from migrator_tui.migration.planning.plan_exposure import with_exposure, without
from migrator_tui.migration.planning.plan_files import read_storage, with_files
from migrator_tui.migration.planning.plan_fits import with_unfit
from migrator_tui.migration.planning.plan_matching import Candidates
from migrator_tui.migration.planning.published_before import as_published
from migrator_tui.migration.planning.secret_columns import secret_columns
from migrator_tui.migration.recording import with_migration_file
from migrator_tui.migration.request import Request
from migrator_tui.migration.staging import Source
from migrator_tui.model.errors import DecisionsNeeded, TargetError, UsageError
from migrator_tui.model.plan import Action, Plan, Scope
from migrator_tui.model.schema import Database, TableName
from migrator_tui.postgres import origins
from migrator_tui.postgres.inspect import exact_counts, server_identity
from migrator_tui.postgres.inspect import inspect as inspect_target
from migrator_tui.postgres.privileges import Needs, probe
from migrator_tui.postgres.prove import prove
from migrator_tui.postgres.prove_fills import prove_fills
from migrator_tui.supabase.layout import is_project


def draft_plan(
    connection: psycopg.Connection[Any],
    source: Source,
    sha256: str,
    request: Request,
    known_users: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Inspect the target, plan, and prove on the target what was translated. Changes nothing there.

    Args:
        known_users: Text of the source id → UUID, of users whom an earlier run moved.
    """
    scope = request.scope
    schemas = sorted({scope.schema, *(o.target.schema for o in scope.tables.values() if o.target)})
    database = inspect_target(connection, schemas)
    wanted = {_wanted(scope, table.name.name) for table in source.database.tables}
    there = [table.name for table in database.tables if table.name in wanted]
    namesakes = frozenset(there)
    candidates = Candidates(scope.schema, database, namesakes)
    alike = {
        table.name.name: found
        for table in source.database.tables
        if table.holds_rows and (found := candidates.match(table)) is not None
    }
    counted = dict.fromkeys([*there, *(found.table for found in alike.values())])
    chooser = Chooser(request.decisions, request.accept_recommended, request.accept_lossy)
    moving, told = guess_users.proposed(source, scope, chooser, is_project=is_project(connection))
    scope = replace(scope, project=replace(scope.project, users=moving))
    targets = {table.name.name: _wanted(scope, table.name.name) for table in source.database.tables}
    earlier = origins.published(connection) or ()
    scope, left_before = as_published(scope, source.database, database, targets, earlier, chooser)
    looked = plan_users.look(connection, source, scope, request.source, known_users)
    users = looked.plan if looked else None
    chosen = {table.name.name for table in source.database.tables if drafting.included(table, scope)}
    has_storage = scope.project.api is not None and read_storage(connection, set()) is not None
    blobs = plan_blobs.proposed(source, scope, chosen, chooser, earlier, has_storage=has_storage)
    counts = exact_counts(connection, counted)
    target = Target(server_identity(connection), database, counts, alike, users, blobs.codecs)
    plan = drafting.make_plan(str(request.source), sha256, source.database, source.profile, target, scope, chooser)
    plan = with_files(plan, source, connection, request.scope.project, chooser, blobs.scopes)
    prove_fills(connection, plan)
    plan = with_unfit(plan, source, database, connection, chooser)
    created = [table for table in plan.moved if table.action is Action.CREATE]
    refused = prove(connection, created, plan.views, plan.enums)
    bad_types = [item for item in refused if item.object == "type"]
    if bad_types:
        first = bad_types[0]
        raise UsageError(
            "PLAN-TYPE",
            f"{first.table}.{first.name}: the target refuses the planned type: {first.error}.",
            "Edit the plan.",
        )
    plan = drafting.without_refused(plan, refused, source.database) if refused else plan
    plan = with_examples(plan_users.with_users(plan, looked, scope, chooser), source)
    plan = replace(plan, findings=(*plan.findings, *told, *left_before, *blobs.findings))
    plan = _with_exposure(connection, plan, source, sha256, request, chooser, database, known_users)
    return with_migration_file(connection, plan, scope.project, request.source.stem)


def _wanted(scope: Scope, table: str) -> TableName:
    """The name that a source table has on the target, by what was fixed or by its own."""
    override = scope.tables.get(table)
    return (override.target if override else None) or TableName(scope.schema, Names(scope.names).wanted(table))


def _with_exposure(
    connection: psycopg.Connection[Any],
    plan: Plan,
    source: Source,
    sha256: str,
    request: Request,
    chooser: Chooser,
    database: Database,
    known_users: Mapping[str, str],
) -> Plan:
    """The plan with who may reach which table, where the target is a Supabase project."""
    project = is_project(connection)
    secrets = secret_columns(source) if project else {}
    taken = frozenset(drafting.taken(database, request.scope.schema))
    exposed = with_exposure(plan, request.scope, chooser, is_project=project, secrets=secrets, taken=taken)
    if exposed.left:  # what refers to those columns is planned anew
        again = draft_plan(
            connection, source, sha256, replace(request, scope=without(request.scope, exposed.left)), known_users
        )
        told = [f for f in exposed.plan.findings if (f.id, f.decision) == ("EXPOSURE-SENSITIVE", "leave")]
        return replace(again, findings=(*again.findings, *told))
    if not project:
        return exposed.plan
    return finished(exposed.plan)


def finished(plan: Plan) -> Plan:
    """The plan with its DDL, who may reach which table included, and its estimate."""
    made = drafting.finished(plan)
    return replace(made, ddl=(*made.ddl, *exposure_script(made)))


def require_privileges(connection: psycopg.Connection[Any], plan: Plan, schema: str) -> None:
    """Raise if the role lacks what the plan needs.

    Raises:
        TargetError: Naming what is missing and the statements that give it.
    """
    missing = probe(connection, needs_of(plan, schema))
    if missing:
        raise TargetError(
            "TARGET-PRIVILEGE",
            "The role lacks what the plan needs: " + "; ".join(f"{item.what} ({item.why})" for item in missing) + ".",
            "Run as an owner or administrator: " + " ".join(f"{item.grant};" for item in missing if item.grant),
            sqlstate="42501",
        )


def needs_of(plan: Plan, schema: str) -> Needs:
    """What a plan needs on the target."""
    created = [table for table in plan.moved if table.action is Action.CREATE]
    new = {table.target for table in created}
    return Needs(
        schema=created[0].target.schema if created else schema,
        creates=bool(created),
        merges=tuple(table.target for table in plan.moved if table.action is Action.MERGE),
        references=tuple(sorted({k.parent for t in created for k in t.foreign_keys if k.parent not in new})),
        enums=bool(plan.enums),
    )


def undecided(plan: Plan) -> DecisionsNeeded:
    """The error of a plan that waits for decisions."""
    first = plan.undecided[:3]
    several = len(plan.undecided)
    said = "; ".join(f"{finding.id}: {finding.message}" for finding in first)
    more = f" and {several - len(first)} more" if several > len(first) else ""
    lossy = any(f.recommended and f.recommended.lossy for f in plan.undecided)
    return DecisionsNeeded(
        "DECISIONS-NEEDED",
        f"{several} finding{'s need' if several > 1 else ' needs'} a decision. {said}{more}",
        "Decide in a file (--decisions FILE), or take the recommended choices with --yes"
        + (" --accept-lossy." if lossy else "."),
    )
