"""The application on Compare, Select or Review: over a real engine, or over a made-up plan of any size."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from textual.pilot import Pilot

from migrator_tui.migration.comparing.schemas import Pair, compare
from migrator_tui.migration.guide import Bench, Ends
from migrator_tui.migration.live_guide import LiveGuide
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, ColumnPlan, Plan, Scope, TablePlan
from migrator_tui.model.project import FilesPlan, ProjectPlan, ProjectScope, TableExposure, UsersPlan, UsersScope
from migrator_tui.model.schema import Column, Database, ForeignKey, Key, Table, TableName
from migrator_tui.postgres.connect import Target
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.screens.plan_screen import PlanScreen
from migrator_tui.tui.steps import Step
from tests.tui.scripted import FACTS, ScriptedGuide
from tests.tui.waiting import until

SHOP = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(80) NOT NULL UNIQUE, seen DATETIME);
CREATE TABLE rooms (id INTEGER PRIMARY KEY, title TEXT);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, author INTEGER REFERENCES users(id), room INTEGER REFERENCES rooms(id), body TEXT
);
CREATE INDEX by_author ON messages(author);
INSERT INTO users VALUES (1, 'ann@example.org', '2026-01-05 10:00:00'), (2, 'bob@example.org', '05.01.2026');
INSERT INTO rooms VALUES (1, 'hall');
INSERT INTO messages VALUES (1, 1, 1, 'hello'), (2, 99, 1, 'see' || char(0) || 'you');
"""
"""Decisions wait in it: DATE-MIXED (lossless recommended), FK-ORPHAN (lossless) and VALUE-NUL (lossy)."""


def shop(folder: Path) -> Path:
    """A small application's database."""
    path = folder / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(SHOP)
    connection.close()
    return path


MOST_WIDGETS = 60
"""Header, stepper, footer keys, panes and lists of one screen, whatever they show."""


@asynccontextmanager
async def on_step(
    step: Step, source: Path, target: Target, *, size: tuple[int, int] = (120, 36), scope: Scope | None = None
) -> AsyncIterator[tuple[MigratorApp, Pilot[int]]]:
    """The application on a step, with both ends really opened and the plan drafted."""
    ends = Ends(source, target.display, scope or Scope())
    guide = LiveGuide()
    bench = guide.open(ends, target.password, lambda step: None)
    app = MigratorApp(guide, folder=source.parent, prepare_demo=lambda folder: ends)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.session.begin(ends)
        app.session.bench = bench
        app.go(step)
        await until(pilot, lambda: settled(app))
        yield app, pilot


def settled(app: MigratorApp) -> bool:
    """The screen shows the plan for the latest choices."""
    screen = app.screen
    return isinstance(screen, PlanScreen) and screen.plan is not None and screen.plan is app.session.plan


@dataclass
class MadeUpBench:
    """Ends that exist only here, with as many tables as a test wants."""

    ends: Ends
    source: Database
    made: Plan
    target: Database = field(default_factory=lambda: Database("postgres", "17.2", "UTF8", ()))
    facts = FACTS

    def draft(self, scope: Scope, decisions: Decisions) -> Plan:
        return self.made

    def pairs(self, plan: Plan) -> Sequence[Pair]:
        return compare(self.source, self.target, plan)

    def close(self) -> None:
        pass


def many(tables: int) -> MadeUpBench:
    """A bench of so many tables, each with ten columns, a foreign key to the one before, and a finding."""
    described, planned, findings = [], [], []
    for number in range(tables):
        name = f"table_{number:04}"
        columns = tuple(Column(f"c{i}", "INTEGER" if i == 0 else "TEXT") for i in range(10))
        parent = TableName("", f"table_{max(0, number - 1):04}")
        keys = (ForeignKey(("c1",), parent, ("c0",)),)
        described.append(Table(TableName("", name), columns, Key(("c0",)), foreign_keys=keys))
        moved = tuple(ColumnPlan(c.name, c.name, "text", "text") for c in columns)
        planned.append(TablePlan(name, TableName("public", name), Action.CREATE, moved, rows=number, bytes=number * 99))
        findings.append(Finding("FK-ORPHAN", f"{name}: orphans", name, "c1", choices=("not-valid", "null")))
    plan = Plan(
        "big.db",
        "0" * 64,
        "server/1/shop",
        tuple(planned),
        tuple(t.source for t in planned),
        findings=tuple(findings),
        ddl=tuple(f"CREATE TABLE {t.source} (\n    a text,\n    b text\n)" for t in planned),
    )
    ends = Ends(Path("big.db"), "postgresql://app@db.example.com/shop")
    return MadeUpBench(ends, Database("sqlite", "3.45", "UTF-8", tuple(described)), plan)


@asynccontextmanager
async def showing(
    step: Step, bench: Bench, *, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[MigratorApp, Pilot[int], ScriptedGuide]]:
    """The application on a step over a bench that is made up."""
    guide = ScriptedGuide()
    app = MigratorApp(guide, folder=Path(), prepare_demo=lambda folder: bench.ends)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.session.begin(bench.ends)
        app.session.bench = bench
        app.go(step)
        await until(pilot, lambda: settled(app))
        yield app, pilot, guide


def planned(tables: int = 3) -> MadeUpBench:
    """Tables of which the first holds users and the second names files, on a project."""
    made = many(tables)
    users = UsersScope("table_0000", "c0", "c1", password_hash="c2", role="c3", name="c4", confirmed=None)
    files = FilesPlan(
        "table_0001", "c5", "papers", Path("uploads"), files=299, bytes=3_200_000, missing=1, creates=True
    )
    project = ProjectPlan(
        "https://abcd.supabase.co",
        UsersPlan(users, "0" * 32, rows=300, left=1),
        (files,),
        (
            TableExposure(TableName("public", "table_0000"), "owner-read", "c0"),
            TableExposure(TableName("public", "table_0001"), "owner", "c1", read="all"),
            TableExposure(TableName("public", "table_0002")),
        ),
    )
    told = Finding("USER-SAME-ADDRESS", "1 row with an address that another user has.", "table_0000", rows=1)
    return replace(made, made=replace(made.made, project=project, findings=(told,)))


PROJECT = Scope(project=ProjectScope("https://abcd.supabase.co", Path("uploads")))
"""What a person fixed for the made-up project."""
