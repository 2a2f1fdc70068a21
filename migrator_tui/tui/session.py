"""The state of one guided migration: what was chosen so far. Saved per source and target, without secrets."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from migrator_tui import locations
from migrator_tui.locations import EMBEDDED
from migrator_tui.migration.guide import Bench, Ends
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.target import Target
from migrator_tui.tui.steps import Step

_SCOPE = TypeAdapter(Scope)
_DECISIONS = TypeAdapter(Decisions)
_SAVING = threading.Lock()


@dataclass
class Session:
    """What the screens share. One person, one migration at a time.

    Attributes:
        password: As typed; None where it came from the environment, ``.pgpass`` or the keyring, or none is needed.
        bench: Both ends opened, from Connect on.
        scope: Tables, columns and types as the person set them on Compare and Select.
        decisions: Choices for findings (Review) and conflicts (Resolve).
        plan: The latest draft for scope and decisions.
        handle: The run at work or ended, from Run on.
        outcome: Its summary, once it has ended.
        reached: The furthest step that was reached; earlier ones can be gone back to.
        offered: A SQLite file that was chosen on Home, before there are ends.
        outdated: A run has changed the target since the bench was opened.
    """

    ends: Ends | None = None
    password: Secret | None = None
    bench: Bench | None = None
    scope: Scope = field(default_factory=Scope)
    decisions: Decisions = field(default_factory=Decisions)
    plan: Plan | None = None
    handle: RunHandle | None = None
    outcome: RunOutcome | None = None
    reached: Step = Step.HOME
    offered: Path | None = None
    outdated: bool = False

    @property
    def target_label(self) -> str:
        """The target's short name, which a person types to confirm; also of a run that was resumed from Home."""
        if self.bench is not None:
            return self.bench.facts.target_label
        if self.ends is None:
            return "the target"
        return "the embedded server" if self.ends.target == EMBEDDED else Target.parse(self.ends.target).label

    def begin(self, ends: Ends) -> None:
        """Start over with other ends; what was saved for them comes back."""
        self.close()
        self.ends, self.password, self.bench, self.plan = ends, None, None, None
        self.handle, self.outcome, self.reached, self.offered = None, None, Step.CONNECT, None
        self.scope, self.decisions = self._saved() or (ends.scope, ends.decisions)

    def end(self, outcome: RunOutcome) -> None:
        """A run has ended so; what was known of the target no longer holds where it wrote there."""
        self.outcome = outcome
        wrote = outcome.status in (RunStatus.SUCCEEDED, RunStatus.ROLLED_BACK)
        # The demo's database would be made empty again by being opened, before its run can be taken back.
        self.outdated = wrote and self.bench is not None and self.ends is not None and not self.ends.fresh

    def save(self) -> None:
        """Keep scope and decisions for the next time these ends are opened; from any thread."""
        with _SAVING:
            if self.ends is None:
                return
            path = self._path(self.ends)
            locations.make_private_folder(path.parent)
            document = {
                "scope": _SCOPE.dump_python(self.scope, mode="json"),
                "decisions": _DECISIONS.dump_python(self.decisions, mode="json"),
            }
            locations.write_private(path, json.dumps(document, indent=1))

    def close(self) -> None:
        """Let go of the snapshot that was looked at."""
        if self.bench is not None:
            self.bench.close()
            self.bench = None
        self.outdated = False

    def _saved(self) -> tuple[Scope, Decisions] | None:
        assert self.ends is not None
        if self.ends.fresh:  # the demo begins anew each time
            return None
        try:
            document = json.loads(self._path(self.ends).read_text("utf-8"))
            return _SCOPE.validate_python(document["scope"]), _DECISIONS.validate_python(document["decisions"])
        except (OSError, ValueError, KeyError, ValidationError):
            return None

    @staticmethod
    def _path(ends: Ends) -> Path:
        name = hashlib.sha256(f"{ends.source}\0{ends.target}\0{ends.embedded_folder}".encode()).hexdigest()[:16]
        return locations.home() / "sessions" / f"{name}.json"
