"""What the planners of columns, keys and live tables share while a plan is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from migrator_tui.convert.identifiers import Names
from migrator_tui.convert.zones import Zone
from migrator_tui.migration.planning import time_zones
from migrator_tui.migration.planning.plan_matching import Match
from migrator_tui.model.decisions import Decisions, decide
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Scope
from migrator_tui.model.profile import OrphanCount, SourceProfile
from migrator_tui.model.project import UsersPlan
from migrator_tui.model.schema import Database, EnumType, TableName


@dataclass(frozen=True, slots=True)
class Chooser:
    """Fills in decisions; what is undecided is planned by its recommended choice, so that it can be shown."""

    decisions: Decisions
    accept_recommended: bool = False
    accept_lossy: bool = False

    def settle(self, finding: Finding) -> Finding:
        """The finding with its decision, if there is one."""
        settled = decide(
            (finding,), self.decisions, accept_recommended=self.accept_recommended, accept_lossy=self.accept_lossy
        )
        return settled[0]

    def choice(self, finding: Finding) -> str:
        """The choice to plan by."""
        settled = self.settle(finding)
        return settled.decision or (settled.choices[0] if settled.choices else "")


@dataclass(frozen=True, slots=True)
class Target:
    """The target as the planner sees it.

    Attributes:
        counts: Rows of tables that exist, exact.
        alike: Source table without a namesake → the table that looks like it.
        users: How the source's users become users of Supabase Auth there; None where they do not.
        blobs: (source table, column) whose blobs become objects → the codec that makes their paths.
    """

    identity: str
    database: Database
    counts: Mapping[TableName, int] = field(default_factory=dict)
    alike: Mapping[str, Match] = field(default_factory=dict)
    users: UsersPlan | None = None
    blobs: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Drafting:
    """What is gathered while the plan is made.

    Attributes:
        user_ids: (source table, column) that holds ids of users → the codec that makes UUIDs of them.
    """

    source: Database
    profile: SourceProfile
    target: Target
    scope: Scope
    chooser: Chooser
    names: Names = field(default_factory=Names)
    findings: list[Finding] = field(default_factory=list)
    enums: list[EnumType] = field(default_factory=list)
    user_ids: dict[tuple[str, str], str] = field(default_factory=dict)
    _chosen: dict[tuple[str, str | None, str | None], str] = field(default_factory=dict)

    def find(self, finding: Finding) -> str:
        """Record a finding; the choice to plan by."""
        self.findings.append(self.chooser.settle(finding))
        choice = self.chooser.choice(finding)
        self._chosen.setdefault((finding.id, finding.table, finding.column), choice)
        return choice

    def chosen(self, id: str, table: str, column: str) -> str:
        """The choice to plan by of the first such finding; empty where there is none, or nothing to choose."""
        return self._chosen.get((id, table, column), "")

    @cached_property
    def zone(self) -> Zone | None:
        """The zone that naive times may be in, beside UTC."""
        return time_zones.offered(self.scope.time_zone)

    @cached_property
    def referred_to(self) -> frozenset[tuple[TableName, frozenset[str]]]:
        """Tables and the columns of theirs that the source's foreign keys refer to."""
        return frozenset(
            (key.parent, frozenset(key.parent_columns)) for table in self.source.tables for key in table.foreign_keys
        )

    @cached_property
    def joined(self) -> Mapping[tuple[str, str], tuple[tuple[str, str], ...]]:
        """(source table, column) → all columns that foreign keys join it to, itself among them, first one that refers
        to no other."""
        groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
        children: set[tuple[str, str]] = set()
        for table in self.source.tables:
            for key in table.foreign_keys:
                for ours, theirs in zip(key.columns, key.parent_columns, strict=False):
                    child, parent = (table.name.name, ours), (key.parent.name, theirs)
                    if child != parent:
                        children.add(child)
                    one, other = groups.setdefault(parent, [parent]), groups.setdefault(child, [child])
                    if one is not other:
                        one += other
                        groups.update(dict.fromkeys(other, one))
        return {place: tuple(sorted(group, key=lambda p: (p in children, p))) for place, group in groups.items()}

    @cached_property
    def orphans(self) -> Mapping[str, Mapping[int, OrphanCount]]:
        """Source table → number of a foreign key → its rows that refer to nobody."""
        return _by_table(self.profile.orphans)

    @cached_property
    def spelled_apart(self) -> Mapping[str, Mapping[int, OrphanCount]]:
        """Source table → number of a foreign key → its rows that refer in another spelling."""
        return _by_table(self.profile.spelled_apart)

    @cached_property
    def written_apart(self) -> Mapping[str, Mapping[int, OrphanCount]]:
        """Source table → number of a foreign key → its rows whose value is written otherwise than the parent's."""
        return _by_table(self.profile.written_apart)


def _by_table(counts: Iterable[OrphanCount]) -> dict[str, dict[int, OrphanCount]]:
    by_table: dict[str, dict[int, OrphanCount]] = {}
    for count in counts:
        by_table.setdefault(count.table, {})[count.index] = count
    return by_table
