"""What a run came to: the summary that the command line prints, the report renders and ``runs`` lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import RunStatus


@dataclass(frozen=True, slots=True)
class TableOutcome:
    """One table's counts. The row equation: ``source_rows = staged_rows + quarantined_rows``, always.

    After publish ``staged_rows = inserted + updated + unchanged + kept_target``, and ``published_rows`` is what of
    them is visible on the target.
    """

    source: str
    target: str
    source_rows: int
    staged_rows: int = 0
    quarantined_rows: int = 0
    published_rows: int = 0
    added_rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    kept_target: int = 0
    verified: bool = False
    seconds: float = 0.0

    @property
    def equation_holds(self) -> bool:
        """Every source row is accounted for."""
        return self.source_rows == self.staged_rows + self.quarantined_rows

    def as_json(self) -> dict[str, Any]:
        """The document of INTERFACES."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Beside:
    """What moved, or was set, beside the tables: users, files, exposure.

    Attributes:
        name: ``users``, ``files`` or ``exposure``.
        target: Where it is now: ``auth.users``, a bucket, a schema.
        total: In the source; ``moved`` were made by this run, ``matched`` were there already, ``left`` stay behind.
        bytes: Of files.
        lines: What a person should know, one sentence each.
        details: More for the JSON document.
    """

    name: str
    target: str
    total: int = 0
    moved: int = 0
    matched: int = 0
    left: int = 0
    bytes: int = 0
    verified: bool = False
    lines: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """An entry of ``beside`` in the JSON document."""
        return {name: getattr(self, name) for name in self.__slots__} | {"lines": list(self.lines)}


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error as JSON and the report carry it."""

    id: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class NotCarried:
    """A schema object of the source that is not on the target, and why; ``id`` is the finding's."""

    object: str
    name: str
    why: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The whole summary of a run.

    Attributes:
        source: Path of the SQLite file as the person gave it.
        target: Connection string without password.
        started: ISO 8601, UTC.
        stages: Seconds per stage that ran, in order.
        kept_edits: After a rollback: what was changed since and therefore kept, one line each.
        report: Path of the HTML report, once there is one.
    """

    run: str
    command: str
    status: RunStatus
    source: str
    target: str
    started: str
    tables: tuple[TableOutcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_carried: tuple[NotCarried, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    conflicts_found: int = 0
    conflicts_resolved: int = 0
    kept_edits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    report: str | None = None
    error: ErrorReport | None = None
    audit_anchor: tuple[int, str] | None = None
    beside: tuple[Beside, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> bool:
        """The application can see something of the run."""
        return any(table.published_rows for table in self.tables) or bool(self.extra.get("sync", {}).get("changes"))

    @property
    def comparable(self) -> bool:
        """``verify`` can compare it once more: of a backup's rows no snapshot is kept."""
        return self.command != "restore"

    def as_json(self) -> dict[str, Any]:
        """The JSON document of INTERFACES; keys there keep their names and meaning."""
        document: dict[str, Any] = {
            "command": self.command,
            "run": self.run,
            "status": self.status.value,
            "source": self.source,
            "target": self.target,
            "started": self.started,
            "tables": [table.as_json() for table in self.tables],
            "findings": [finding_as_json(finding) for finding in self.findings],
            "not_carried": [{"object": o.object, "name": o.name, "why": o.why} for o in self.not_carried],
            "stages": [{"name": name, "seconds": round(seconds, 3)} for name, seconds in self.stages],
            "conflicts": {"found": self.conflicts_found, "resolved": self.conflicts_resolved},
            "seconds": round(self.seconds, 3),
            "report": self.report,
        }
        if self.beside:
            document["beside"] = [item.as_json() for item in self.beside]
        if self.kept_edits:
            document["kept_edits"] = list(self.kept_edits)
        if self.notes:
            document["notes"] = list(self.notes)
        if self.audit_anchor:
            document["audit"] = {"count": self.audit_anchor[0], "head": self.audit_anchor[1]}
        if self.error:
            document["error"] = {"id": self.error.id, "message": self.error.message, "hint": self.error.hint}
        return document | self.extra


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """One finding as INTERFACES writes it."""
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "table": finding.table,
        "column": finding.column,
        "object": finding.object,
        "rows": finding.rows,
        "message": finding.message,
        "keys": list(finding.keys),
        "samples": list(finding.samples),
        "choices": list(finding.choices),
        "decision": finding.decision,
    }


def not_carried(plan: Plan) -> tuple[NotCarried, ...]:
    """The schema objects that the target does not get."""
    kinds = {
        "DEFAULT-NOT-CARRIED": "default", "CHECK-NOT-CARRIED": "check", "INDEX-NOT-CARRIED": "index",
        "VIEW-NOT-CARRIED": "view", "GENERATED-NOT-CARRIED": "generated column", "COLLATION-NOT-CARRIED": "collation",
        "TRIGGER-NOT-CARRIED": "trigger", "TABLE-NOT-CARRIED": "table", "FK-PARENT": "foreign key",
        "KEY-LONG": "key",
        "IDENTITY-NOT-CARRIED": "identity", "CONFLICT-NOT-CARRIED": "conflict clause",
    }  # fmt: skip
    return tuple(
        NotCarried(
            kinds[f.id], ".".join(part for part in (f.table, f.column or f.object) if part) or "", f.message, f.id
        )
        for f in plan.findings
        if f.id in kinds and not (f.id == "COLLATION-NOT-CARRIED" and f.decision in ("folded", "citext"))
    )
