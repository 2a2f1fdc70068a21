"""Users, files and access: what the plan takes them for, and every part of it to be corrected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Static

from migrator_tui.migration.planning.guess_files import is_text
from migrator_tui.model.limits import is_mime_pattern, parse_size
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.project import ExposureScope, FilesScope
from migrator_tui.model.schema import Database, TableName
from migrator_tui.supabase.policies import can_own
from migrator_tui.tui import project_edits, project_text
from migrator_tui.tui.dialogs.ask import Ask
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.dialogs.pick import Answer, Pick
from migrator_tui.tui.project_edits import USER_FIELDS, Chosen
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.widgets.project_list import NONE, READERS, ProjectList, answer_id, entries, now, readers
from migrator_tui.tui.wording import sized

NOBODY = ""
"""The id of the answer that takes something away."""
HINT = "Enter changes the line. The plan is made anew with it."


class ProjectMapping(Dialog[None]):
    """Changes are handed to the step below, which drafts the plan for them; :meth:`show` takes it when it is there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "change", "Change", tooltip="Change the line at the cursor.", id="project.change"),
        Binding("escape,u", "close", "Close", tooltip="Back to the step; every change is kept.", id="project.close"),
    ]
    DEFAULT_CSS = """
    ProjectMapping #box { width: 100%; height: 96%; max-width: 124; background: $surface; border: round $primary; }
    ProjectMapping ProjectList { background: $surface; }
    ProjectMapping #state { height: 1; padding: 0 1; color: $text-muted; }
    ProjectMapping #close { width: 14; margin: 0 1; }
    """

    def __init__(self, source: Database, plan: Plan, chosen: Chosen, change: Callable[[Chosen], None]) -> None:
        """
        Args:
            change: Takes what a person wants from now on.
        """
        super().__init__()
        self._source, self._plan, self._chosen, self._change = source, plan, chosen, change

    def compose(self) -> ComposeResult:
        """The lines, how the plan stands, a button."""
        with Vertical(id="box") as box:
            box.border_title = "Users, files, access"
            yield ProjectList(id="lines")
            yield Static(HINT, id="state", markup=False)
            yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """Go through the lines at once."""
        lines = self.query_one(ProjectList)
        lines.show(entries(self._plan, self._chosen))
        lines.focus()

    def show(self, plan: Plan, chosen: Chosen) -> None:
        """The plan for what was chosen is there, or what was chosen was refused."""
        self._plan, self._chosen = plan, chosen
        if self.is_mounted:
            self.query_one(ProjectList).show(entries(plan, chosen))
            self.query_one("#state", Static).update(HINT)

    def _set(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self.query_one(ProjectList).show(entries(self._plan, chosen))
        self.query_one("#state", Static).update("◌ Planning…")
        self._change(chosen)

    def on_line_list_pressed(self, event: LineList.Pressed) -> None:
        """A double click changes the line."""
        if event.twice:
            self.action_change()

    def on_button_pressed(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_change(self) -> None:
        """Change the line at the cursor."""
        entry = self.query_one(ProjectList).current
        match entry.key if entry else ():
            case ("users", "table"):
                self._pick_users_table()
            case ("users", "via" | "roles" as field):
                self._pick_way(field)
            case ("users", field):
                self._pick_user_column(field)
            case ("files", "add"):
                self._add_files()
            case ("files", table, column, field):
                self._change_files(table, column, field)
            case ("access", table):
                self._pick_access(table)

    def _ask(self, pick: Pick, take: Callable[[str], None]) -> None:
        def answered(id: str | None) -> None:
            if id is not None:
                take(id)

        self.app.push_screen(pick, answered)

    # users

    def _pick_users_table(self) -> None:
        users = project_edits.users_of(self._chosen, self._plan)
        answers = [Answer(NOBODY, "none", "users stay rows like any other")]
        for table in self._plan.moved:
            shown = ", ".join(column.source for column in table.columns[:5])
            answers.append(Answer(table.source, table.source, shown))

        def take(name: str) -> None:
            table = self._source.table(TableName("", name)) if name != NOBODY else None
            self._set(project_edits.with_users_table(self._chosen, users, table))

        text = "Whose rows are the application's users? Its columns are taken by their names; each can be changed."
        self._ask(Pick("Table of users", text, answers, users.table if users else NOBODY), take)

    def _pick_user_column(self, field: str) -> None:
        users = project_edits.users_of(self._chosen, self._plan)
        table = self._source.table(TableName("", users.table)) if users else None
        if users is None or table is None:
            return
        answers = [] if field == "id" else [Answer(NOBODY, NONE, "no column has it")]
        answers += [Answer(c.name, c.name, (c.type or "no type").lower()) for c in table.stored_columns]

        def take(column: str) -> None:
            self._set(project_edits.with_users(self._chosen, replace(users, **{field: column or None})))  # type: ignore[arg-type]

        text = f"Which column of {users.table} holds the users' {USER_FIELDS[field]}?"
        self._ask(Pick(f"Users: {USER_FIELDS[field]}", text, answers, getattr(users, field) or NOBODY), take)

    def _pick_way(self, field: str) -> None:
        users = project_edits.users_of(self._chosen, self._plan)
        if users is None:
            return
        if field == "via":
            answers = [Answer("sql", "SQL", "written into auth.users within the transaction; keeps created")]
            if self._chosen.scope.project.api is not None:
                answers.insert(0, Answer("api", "Admin API", "one by one, before the tables are published"))
            text = "How are the users made? No e-mail is sent either way."
        else:
            answers = [
                Answer("app-metadata", "app_metadata", "of each user; it is in the access token"),
                Answer("table", "tables", "public.user_roles and permissions, with a hook for access tokens"),
            ]
            text = f"Where do the roles of {users.table}.{users.role} go?"

        def take(id: str) -> None:
            self._set(project_edits.with_users(self._chosen, replace(users, **{field: id})))  # type: ignore[arg-type]

        self._ask(Pick("Users", text, answers, getattr(users, field)), take)

    # files

    def _add_files(self) -> None:
        files = project_edits.files_of(self._chosen, self._plan)
        known = {(f.table, f.column) for f in files}
        columns = [
            (table.source, column.source)
            for table in self._plan.moved
            for column in table.columns
            if (is_text(column) or _holds_blobs(column)) and (table.source, column.source) not in known
        ]
        answers = [
            Answer(str(n), f"{table}.{column}", "blobs" if self._of_blobs(table, column) else "")
            for n, (table, column) in enumerate(columns)
        ]
        if not answers:
            self.notify("No other column holds texts or blobs.", timeout=3)
            return

        def take(id: str) -> None:
            place = columns[int(id)]
            blobs = self._of_blobs(*place)
            self._set(project_edits.with_files(self._chosen, files, project_edits.new_files(*place), blobs=blobs))

        text = (
            "Which values are paths of files below the uploads folder, or blobs that are to be files? What is found is "
            "counted in the plan."
        )
        self._ask(Pick("Files of another column", text, answers), take)

    def _change_files(self, table: str, column: str, field: str) -> None:
        files = project_edits.files_of(self._chosen, self._plan)
        at = next((f for f in files if (f.table, f.column) == (table, column)), None)
        if at is None:
            return

        blobs = self._of_blobs(table, column)

        def put(changed: FilesScope) -> None:
            self._set(project_edits.with_files(self._chosen, files, changed, blobs=blobs))

        if field == "public":
            self._pick_readers(at, put)
        elif field == "bucket":
            self._ask_bucket(at, put)
        elif field in ("size", "types"):
            self._ask_limit(at, field, put)
        elif field == "value":
            answers = [
                Answer("key", "the object's key", "for signed URLs, or to be joined with the bucket's"),
                Answer("url", "its public URL", "opens for everybody: the bucket becomes public"),
                *([] if blobs else [Answer("keep", "what it holds now", "the files move, the values stay")]),
            ]
            text = f"What does {table}.{column} hold on the target?"
            self._ask(
                Pick("Values", text, answers, at.value),
                lambda id: put(replace(at, value=id, public=at.public or id == "url")),  # type: ignore[arg-type]
            )
        else:
            move, leave = ("blobs become files", "blobs stay") if blobs else ("files move", "no column of files")
            answers = [Answer("move", f"its {move}"), Answer("leave", leave, "nothing moves")]

            def take(id: str) -> None:
                if id == "leave":
                    self._set(project_edits.without_files(self._chosen, files, at, blobs=blobs))

            asked = "Do its blobs become files?" if blobs else "Do its values name files?"
            self._ask(Pick(f"{table}.{column}", asked, answers, "move"), take)

    def _pick_readers(self, at: FilesScope, put: Callable[[FilesScope], None]) -> None:
        answers = [
            Answer("none", READERS["none"], "the application's server hands them out"),
            Answer("owner", READERS["owner"], "by policies of storage.objects; they write their own too"),
            Answer("public", READERS["public"], "whoever has the address"),
        ]

        def take(id: str) -> None:
            public = id == "public"
            # An address that opens for nobody is of no use in a column.
            value = "key" if at.value == "url" and not public else at.value
            put(replace(at, public=public, value=value, access="owner" if id == "owner" else "none"))

        text = f"Who may read the files of the bucket {at.bucket}?"
        self._ask(Pick("Readers", text, answers, readers(at)), take)

    def _of_blobs(self, table: str, column: str) -> bool:
        """Whether the column holds the files themselves, by the plan or by what it is planned to be."""
        planned = self._plan.project.files if self._plan.project else ()
        if any(f.of_blobs for f in planned if (f.table, f.column) == (table, column)):
            return True
        return any(
            _holds_blobs(c) for t in self._plan.moved if t.source == table for c in t.columns if c.source == column
        )

    def _ask_limit(self, at: FilesScope, field: str, put: Callable[[FilesScope], None]) -> None:
        """Ask for the largest file, or the types, that the bucket takes."""
        planned = self._plan.project.files if self._plan.project else ()
        if any(not f.creates for f in planned if (f.table, f.column, f.bucket) == (at.table, at.column, at.bucket)):
            self.notify(f"The bucket {at.bucket} is there already, and takes what it takes.", timeout=4)
            return

        def size(typed: str | None) -> None:
            if typed is not None:
                put(replace(at, size_limit=parse_size(typed) if typed else None))

        def types(typed: str | None) -> None:
            if typed is not None:
                put(replace(at, mime_types=tuple(_listed(typed)) or None))

        if field == "size":
            now = sized(at.size_limit) if at.size_limit is not None else ""
            text = f"How large may a file of the bucket {at.bucket} be? Larger ones are left behind, and listed."
            ask = Ask("Largest file", text, now, "Take it", placeholder="the project's limit", objection=_no_size)
            self.app.push_screen(ask, size)
        else:
            text = f"Which types does the bucket {at.bucket} take? Files of others are left behind, and listed."
            now, hint = ", ".join(at.mime_types or ()), "all; or such as image/*, application/pdf"
            self.app.push_screen(Ask("Types", text, now, "Take it", placeholder=hint, objection=_no_types), types)

    def _ask_bucket(self, at: FilesScope, put: Callable[[FilesScope], None]) -> None:
        def objection(value: str) -> str | None:
            return None if value and "/" not in value else "A bucket's name has at least one letter and no slash."

        def answered(name: str | None) -> None:
            if name:
                put(replace(at, bucket=name))

        text = f"Which bucket do the files of {at.table}.{at.column} go to? One that is not there is made."
        self.app.push_screen(Ask("Bucket", text, at.bucket, "Take it", objection=objection), answered)

    # access

    def _pick_access(self, name: str) -> None:
        table = self._plan.table(name)
        exposed = {e.table: e for e in (self._plan.project.exposure if self._plan.project else ())}
        made, asked = exposed.get(table.target), self._chosen.scope.project.exposure.get(name)
        answers = {answer_id(scope): (scope, said) for scope, said in _ways(table)}
        offered = [Answer(id, said) for id, (_, said) in answers.items()]
        if made is not None and table.action is Action.CREATE and asked is None and made.policy.startswith("owner"):
            offered.insert(1, Answer("owner-read", project_text.POLICY_WORDS["owner-read"]))
        own = {column.target: column.source for column in table.columns}
        if made is not None and made.owner is not None:
            made = replace(made, owner=own.get(made.owner, made.owner))

        def take(id: str) -> None:
            if id == "owner-read":
                self._set(project_edits.with_own_rows_read(self._chosen, name))
            else:
                self._set(project_edits.with_exposure(self._chosen, name, answers[id][0]))

        there = " It is there already: its own policies and rights stay." if table.action is Action.MERGE else ""
        self._ask(Pick(f"Access to {name}", f"Who reaches its rows?{there}", offered, now(made, asked)), take)


def _holds_blobs(column: ColumnPlan) -> bool:
    return column.type == "bytea" and column.generated is None


def _listed(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _no_types(text: str) -> str | None:
    wrong = [word for word in _listed(text) if not is_mime_pattern(word)]
    return f"{wrong[0]} is no type such as image/* or application/pdf." if wrong else None


def _no_size(text: str) -> str | None:
    if text:
        try:
            parse_size(text)
        except ValueError:
            return "A size is a number with its unit, such as 10 MB."
    return None


def _ways(table: TablePlan) -> Iterator[tuple[ExposureScope, str]]:
    words = project_text.POLICY_WORDS
    ids = [column for column in table.columns if column.type == "uuid"]
    for column in ids or [column for column in table.columns if can_own(column.type)]:
        yield ExposureScope(owner=column.source), f"{words['owner']}, by {column.source}"
        yield (
            ExposureScope(owner=column.source, read="all"),
            f"users write their own rows, by {column.source}; whoever is signed in reads all",
        )
    yield ExposureScope(read="all"), words["read-all"]
    yield ExposureScope(read="public"), words["read-public"]
    yield ExposureScope(admin=True), words["admin"]
    yield ExposureScope(), words["none"]
