"""plan.yaml: the plan as a file that a person reviews, edits, keeps in git and replays.

Replaying analyses the source anew and takes names, types, codecs, actions and decisions from the file. So an edited
file is honoured, and a source that changed since is noticed: new findings come up undecided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from migrator_tui.convert import codecs
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import CATALOGUE, Finding
from migrator_tui.model.plan import Action, NamePolicy, Plan, Scope, TableOverride, fill_of
from migrator_tui.model.project import ProjectScope, UsersPlan, UsersScope, Via
from migrator_tui.model.schema import TableName

HEADER = """\
# A plan of migrator-tui. Names, types, codecs and actions may be edited; a column set to null is left behind.
# Where the type of a column alone is edited, its codec follows.
# `fill` of a table that is merged gives the target's own columns a value: `fill: {tenant: "'acme'"}`, a SQL expression.
# `migrator-tui migrate --plan FILE` replays it. `ddl` and `estimate` are for reading and follow from the rest.
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Column(_Strict):
    target: str
    type: str
    codec: str


class _Table(_Strict):
    target: str
    action: Action = Action.CREATE
    rows: int | None = None
    columns: dict[str, _Column | None] = Field(default_factory=dict)
    fill: dict[str, Any] = Field(default_factory=dict)


class _Source(_Strict):
    path: str = ""
    sha256: str


class _Finding(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str
    table: str | None = None
    column: str | None = None
    object: str | None = None
    choices: list[str] = Field(default_factory=list)
    decision: str | None = None


class _UserColumns(_Strict):
    id: str
    email: str | None = None
    phone: str | None = None
    password_hash: str | None = None
    role: str | None = None
    name: str | None = None
    created: str | None = None
    confirmed: str | None = None


class _Users(_Strict):
    table: str
    columns: _UserColumns
    via: Via = "api"
    references: list[str] = Field(default_factory=list)
    namespace: str
    matched: Any = None


class _File(_Strict):
    source: _Source
    target: str
    names: NamePolicy = "keep"
    users: _Users | None = None
    tables: dict[str, _Table]
    findings: list[_Finding] = Field(default_factory=list)
    ddl: Any = None
    estimate: Any = None
    notes: Any = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a plan file fixes."""

    scope: Scope
    decisions: Decisions
    source_sha256: str
    target_identity: str


def render(plan: Plan) -> str:
    """The plan as YAML."""
    document: dict[str, Any] = {
        "source": {"path": plan.source_path, "sha256": plan.source_sha256},
        "target": plan.target_identity,
        "names": plan.names,
        **({"users": _users(plan.users)} if plan.users else {}),
        "tables": {
            table.source: {
                "target": table.target.written(),
                "action": table.action.value,
                "rows": table.rows,
                "columns": {c.source: {"target": c.target, "type": c.type, "codec": c.codec} for c in table.columns}
                | dict.fromkeys(table.left_behind),
            }
            | ({"fill": {fill.target: fill.expression for fill in table.fills}} if table.fills else {})
            for table in plan.tables
        },
        "findings": [_finding(finding) for finding in plan.findings],
        "ddl": [statement + ";" for statement in plan.ddl],
        "estimate": {
            "rows": plan.estimate.rows,
            "bytes": plan.estimate.bytes,
            "peak_bytes": plan.estimate.peak_bytes,
            "seconds": plan.estimate.seconds,
        },
    }
    if plan.notes:
        document["notes"] = list(plan.notes)
    return HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def read(path: Path) -> Replay:
    """What a plan file fixes.

    Raises:
        UsageError: It cannot be read, is no plan, or names a codec, finding or choice that does not exist.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            "PLAN-FILE",
            f"The plan {path} cannot be read: {_why(error)}.",
            "`migrator-tui plan --out FILE` writes one.",
        ) from error
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise UsageError(
            "PLAN-FILE", f"{path} is not a plan: {where}: {first['msg']}.", "`migrator-tui plan --out FILE` writes one."
        ) from error
    # That such a table is left out is what the plan was made by until somebody decides, and no decision.
    open_still = {f.table for f in file.findings if f.id == "TARGET-MISFIT" and f.choices and f.decision is None}
    tables = {source: _override(path, source, table) for source, table in file.tables.items()}
    for source in open_still & {name for name, table in tables.items() if table.action is Action.SKIP}:
        tables[str(source)] = replace(tables[str(source)], action=None)
    decisions = tuple(
        FindingDecision(f.id, f.decision, f.table, f.column or f.object)
        for f in file.findings
        if f.decision is not None
    )
    for decision in decisions:
        kind = CATALOGUE.get(decision.id)
        if kind is None or kind.choice(decision.choice) is None:
            raise UsageError(
                "PLAN-FILE",
                f"{path}: {decision.id} has no choice {decision.choice!r}.",
                f"Its choices are {', '.join(c.name for c in kind.choices)}." if kind else "There is no such finding.",
            )
    scope = Scope(
        include=tuple(_literal(source) for source in tables),
        tables=tables,
        names=file.names,
        project=ProjectScope(users=_users_scope(file.users)),
    )
    return Replay(scope, Decisions(findings=decisions), file.source.sha256, file.target)


def _users(users: UsersPlan) -> dict[str, Any]:
    scope = users.scope
    return {
        "table": scope.table,
        "columns": {name: column for name in _UserColumns.model_fields if (column := getattr(scope, name)) is not None},
        "via": scope.via,
        "references": list(scope.references),
        "namespace": users.namespace,
        "matched": len(users.matched),
    }


def _users_scope(users: _Users | None) -> UsersScope | None:
    if users is None:
        return None
    return UsersScope(
        users.table,
        **users.columns.model_dump(),
        via=users.via,
        references=tuple(users.references),
        namespace=users.namespace,
    )


def _why(error: OSError | UnicodeDecodeError | yaml.YAMLError) -> str:
    """What keeps a file from being read, in one line."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start})"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is not YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _override(path: Path, source: str, table: _Table) -> TableOverride:
    columns: dict[str, tuple[str | None, str | None, str | None] | None] = {}
    for name, column in table.columns.items():
        if column is not None and not codecs.exists(column.codec):
            raise UsageError(
                "PLAN-FILE",
                f"{path}: {source}.{name}: there is no codec {column.codec!r}.",
                "See docs/architecture.md.",
            )
        columns[name] = (column.target, column.type, column.codec) if column else None
    fill = {}
    for name, value in table.fill.items():
        try:
            fill[name] = fill_of(value)
        except ValueError as error:
            raise UsageError(
                "PLAN-FILE", f"{path}: {source}.fill.{name}: {error}.", "Write a text as {value: text}."
            ) from error
    return TableOverride(TableName.parse(table.target), table.action, columns, fill)


def _literal(name: str) -> str:
    """A table's name as a shell-style pattern that fits it alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _finding(finding: Finding) -> dict[str, Any]:
    document: dict[str, Any] = {"id": finding.id, "severity": finding.severity.value}
    for name in ("table", "column", "object"):
        value = getattr(finding, name)
        if value is not None:
            document[name] = value
    if finding.rows:
        document["rows"] = finding.rows
    document["message"] = finding.message
    if finding.choices:
        document["choices"] = list(finding.choices)
        document["decision"] = finding.decision
    return document


class _Dumper(yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper):  # type: ignore[misc]
    """Writes texts of several lines as blocks, and never an alias; in C where it can, for plans of 2,000 tables."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
