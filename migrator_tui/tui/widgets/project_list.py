"""What moves beside the tables, a line each: users and their columns, files and their buckets, access per table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from migrator_tui.model.catalogue.kind import Severity
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.project import ExposureScope, FilesScope, TableExposure, UsersScope
from migrator_tui.tui import project_text
from migrator_tui.tui.project_edits import USER_FIELDS, Chosen, files_of, users_of
from migrator_tui.tui.widgets.line_list import LineList, Part, fit
from migrator_tui.tui.wording import counted, sized

LABEL_CELLS = 24
NONE = "—"
READERS = {"none": "by signed URL alone", "owner": "users their own", "public": "everybody (public)"}
"""Who may read a bucket's files → as it is said."""
Key = tuple[str, ...]
"""What a line is about: ``("users", field)``, ``("files", table, column, field)``, ``("access", table)``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line. Without a ``key`` it is a heading or a remark, and is stepped over."""

    key: Key
    label: str
    value: str = ""
    note: str = ""
    style: str = "plain"


class ProjectList(LineList):
    """Enter or a double click changes the line at the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.entries: Sequence[Entry] = ()

    @property
    def current(self) -> Entry | None:
        """The line at the cursor."""
        return self.entries[self.cursor] if self.cursor is not None and self.cursor < len(self.entries) else None

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these; the cursor stays on what it was on."""
        before = self.current
        self.entries = entries
        same = (n for n, entry in enumerate(entries) if before is not None and entry.key == before.key)
        self.rows_changed(next(same, None))

    def count(self) -> int:
        """Lines."""
        return len(self.entries)

    def selectable(self, index: int) -> bool:
        """What can be changed."""
        return bool(self.entries[index].key)

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """Label, value, remark."""
        entry = self.entries[index]
        if not entry.key:
            return [(fit(f" {entry.label}", width), entry.style)]
        rest = width - LABEL_CELLS - 4
        short = entry.key[0] == "access"  # who reaches a table takes more words than how that is known
        value = rest
        if entry.note:
            beside = rest - cell_len(entry.note)
            value = beside - 1 if short else min(max(24, rest // 2), max(beside, cell_len(entry.value) + 2))
        return [
            ("   " + fit(entry.label, LABEL_CELLS - 1) + " ", "plain"),
            (fit(entry.value, value - 1) + " ", entry.style),
            (fit(entry.note, max(0, rest - value)), "muted"),
        ]


def entries(plan: Plan, chosen: Chosen) -> list[Entry]:
    """Every line, in the order in which they are shown."""
    return [*_users(plan, chosen), *_files(plan, chosen), *_access(plan, chosen)]


def _heading(text: str) -> Entry:
    return Entry((), text, style="strong")


def _remark(text: str, style: str = "muted") -> Entry:
    return Entry((), f"  {text}", style=style)


def _users(plan: Plan, chosen: Chosen) -> Iterator[Entry]:
    users = users_of(chosen, plan)
    fixed = chosen.scope.project.users
    origin = "guessed" if fixed is None else "fixed"
    yield _heading("Users of Supabase Auth")
    if users is None:
        yield Entry(("users", "table"), "table", "none: users stay rows", "", "warn")
        yield _remark("")
        return
    planned = plan.project.users if plan.project else None
    rows = ""
    if planned is not None:
        made = f"{planned.rows - planned.left:,} of " if planned.left else ""
        rows = f"{made}{counted(planned.rows, 'row')}, "
    yield Entry(("users", "table"), "table", users.table, f"{rows}{origin}", "strong")
    for field, name in USER_FIELDS.items():
        column = getattr(users, field)
        note = "" if column else _without(field)
        yield Entry(("users", field), name, column or NONE, note, "plain" if column else "muted")
    yield from _choices_of(users, chosen)
    for finding in plan.findings:
        if finding.id.startswith("USER-") and finding.table == users.table and finding.severity is not Severity.INFO:
            yield _remark(f"⚠ {finding.message}", "warn")
    yield _remark("")


def _without(field: str) -> str:
    return {
        "email": "users sign in by phone",
        "password_hash": "everybody needs a new password",
        "confirmed": "every address counts as confirmed",
        "created": "created at the migration",
    }.get(field, "")


def _choices_of(users: UsersScope, chosen: Chosen) -> Iterator[Entry]:
    way = "Admin API" if users.via == "api" else "SQL, within the transaction"
    yield Entry(("users", "via"), "made by", way)
    if users.role is not None:
        roles = "app_metadata" if users.roles == "app-metadata" else "tables, with a token hook"
        yield Entry(("users", "roles"), "roles go to", roles)


def _files(plan: Plan, chosen: Chosen) -> Iterator[Entry]:
    yield _heading("Files in Storage")
    project = chosen.scope.project
    if project.api is None or project.uploads is None:
        lacks = "address of the project's API" if project.api is None else "uploads folder"
        yield _remark(f"None are moved: no {lacks} is named; Connect or config.yaml names it.")
        yield _remark("")
        return
    planned = {(f.table, f.column): f for f in (plan.project.files if plan.project else ())}
    for files in files_of(chosen, plan):
        at = ("files", files.table, files.column)
        made = planned.get((files.table, files.column))
        found = "not in the plan yet"
        if made is not None:
            found = counted(made.files, "file") + (f", {made.missing:,} missing" if made.missing else "")
        origin = "fixed" if chosen.scope.project.files else "guessed"
        yield Entry((*at, "column"), f"{files.table}.{files.column}", found, origin, "strong")
        kind = "there already" if made is not None and not made.creates else "new"
        yield Entry((*at, "bucket"), "  bucket", files.bucket, kind)
        yield Entry((*at, "public"), "  who may read", READERS[readers(files)])
        kept = made is not None and made.value != files.value
        own = made is not None and not made.creates
        limit, types = (made.bucket_size_limit, made.bucket_mime_types) if own and made else _limits(files)
        note = "the bucket's own" if own else ""
        yield Entry((*at, "size"), "  largest file", "the project's limit" if limit is None else sized(limit), note)
        yield Entry((*at, "types"), "  types it takes", "all" if types is None else ", ".join(types), note)
        yield Entry((*at, "value"), "  the column holds", _held(files), "cannot: it keeps its values" if kept else "")
    yield Entry(("files", "add"), "+ a column of files…", "", "", "accent")
    yield _remark("")


def readers(files: FilesScope) -> str:
    """Which of :data:`READERS` may read a column's files."""
    return "public" if files.public else files.access


def _limits(files: FilesScope) -> tuple[int | None, tuple[str, ...] | None]:
    return files.size_limit, files.mime_types


def _held(files: FilesScope) -> str:
    return {"key": "the object's key", "url": "its public URL", "keep": "what it held"}[files.value]


def _access(plan: Plan, chosen: Chosen) -> Iterator[Entry]:
    yield _heading("Access over the Data API")
    exposed = {e.table: e for e in (plan.project.exposure if plan.project else ())}
    for table in plan.moved:
        asked = chosen.scope.project.exposure.get(table.source)
        made = exposed.get(table.target)
        value = project_text.exposure_words(made) if made is not None else "as its rights and policies are"
        note = "guessed" if asked is None else "fixed"
        if made is None and table.action is Action.MERGE:
            note = "" if asked is None else note
        closed = made is not None and made.policy == "none"
        yield Entry(("access", table.source), table.source, value, note, "warn" if closed else "plain")


def now(exposure: TableExposure | None, asked: ExposureScope | None) -> str | None:
    """The id of the answer that holds for a table's access."""
    if asked is not None:
        return answer_id(asked)
    if exposure is None:
        return None
    if exposure.policy == "owner":
        return answer_id(ExposureScope(exposure.owner, None if exposure.read == "own" else exposure.read))
    return exposure.policy


def answer_id(asked: ExposureScope) -> str:
    """The id of an answer about a table's access."""
    if asked.owner is not None:
        return f"owner {asked.owner}" if asked.read is None else f"owner-{asked.read} {asked.owner}"
    return "admin" if asked.admin else {None: "none", "all": "read-all", "public": "read-public"}[asked.read]
