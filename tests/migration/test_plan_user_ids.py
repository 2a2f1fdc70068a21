"""Which columns become UUIDs of users: the users' own, and every one that refers to it, and what stops that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrator_tui.convert.user_ids import codec_name
from migrator_tui.migration.planning.drafting import make_plan
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.planning.plan_draft import Target as TargetSide
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Action, Plan, Scope, TableOverride
from migrator_tui.model.project import UsersPlan, UsersScope
from migrator_tui.model.schema import Column, Database, Key, ReferentialAction, Table, TableName
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile
from tests.migration.conftest import MakeSource

NAMESPACE = "6f1c52c0-3f0e-5d3b-9d7c-2f7b8c1f0a11"
OF_INTEGER, OF_TEXT = codec_name(NAMESPACE), codec_name(NAMESPACE, of_text=True)
EMPTY = Database("postgres", "18.6", "UTF8", ())
USERS = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL, boss INTEGER REFERENCES users);"
    "INSERT INTO users VALUES (1, 'a@x.de', NULL), (2, 'b@x.de', 1);"
)
Planned = Callable[..., Plan]


@pytest.fixture
def planned(make_source: MakeSource) -> Planned:
    """The plan of a source whose users are moved to a project."""

    def plan(
        script: str, *references: str, there: Database = EMPTY, scope: Scope | None = None, id: str = "id"
    ) -> Plan:
        path: Path = make_source(script)
        database = inspect(path)
        users = UsersPlan(UsersScope("users", id=id, references=references), NAMESPACE, rows=2)
        target = TargetSide("nowhere", there, users=users)
        chooser = Chooser(Decisions(), accept_recommended=True, accept_lossy=True)
        found = profile(path, database)
        return make_plan("source.db", "0" * 64, database, found, target, scope or Scope(), chooser)

    return plan


def ids(plan: Plan) -> dict[str, str]:
    """The columns that become ids of users, with their codecs."""
    return {
        f"{table.source}.{column.source}": column.codec
        for table in plan.moved
        for column in table.columns
        if column.type == "uuid"
    }


def told(plan: Plan, id: str) -> list[str]:
    return [finding.message for finding in plan.findings if finding.id == id]


def test_every_column_that_refers_to_a_user_changes_with_the_id_and_nothing_else_does(planned: Planned) -> None:
    plan = planned(
        USERS + "CREATE TABLE profiles (id INTEGER PRIMARY KEY REFERENCES users ON DELETE CASCADE, bio TEXT);"
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES profiles, n INTEGER,"
        " UNIQUE (author, n));"
        "CREATE TABLE marks (author INTEGER, n INTEGER, by TEXT REFERENCES users (id),"
        " FOREIGN KEY (author, n) REFERENCES posts (author, n), PRIMARY KEY (author, n)) WITHOUT ROWID;"
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, actor INTEGER, post INTEGER REFERENCES posts);"
        "INSERT INTO marks VALUES (1, 1, '2');",
        "audit.actor",
    )
    assert ids(plan) == dict.fromkeys(
        ("users.id", "users.boss", "profiles.id", "posts.author", "marks.author", "audit.actor"), OF_INTEGER
    ) | {"marks.by": OF_TEXT}
    keys = {t.source: [(k.columns, str(k.parent), k.parent_columns) for k in t.foreign_keys] for t in plan.tables}
    assert keys == {
        "users": [(("boss",), "public.users", ("id",)), (("id",), "auth.users", ("id",))],
        "profiles": [(("id",), "public.users", ("id",))],
        "posts": [(("author",), "public.profiles", ("id",))],
        "marks": [(("by",), "public.users", ("id",)), (("author", "n"), "public.posts", ("author", "n"))],
        "audit": [(("post",), "public.posts", ("id",))],
    }
    own = next(key for key in plan.table("users").foreign_keys if key.parent == TableName("auth", "users"))
    assert own.on_delete is ReferentialAction.CASCADE
    assert [c.identity_next for t in plan.tables for c in t.columns if c.type == "uuid"] == [None] * 7
    assert plan.table("posts").columns[0].identity_next == 1
    assert "7 columns: users.id, users.boss" in told(plan, "USER-IDS")[0]
    assert plan.users is not None
    assert told(plan, "FK-PARENT") == []


def test_a_table_that_is_there_takes_the_ids_where_its_columns_are_uuid_and_is_a_misfit_else(planned: Planned) -> None:
    def live(name: str, kind: str) -> Table:
        columns = (Column("id", "bigint", not_null=True), Column("author", kind))
        return Table(TableName("public", name), columns, Key(("id",)))

    there = Database("postgres", "18.6", "UTF8", (live("posts", "uuid"), live("notes", "bigint")))
    table = "CREATE TABLE {0} (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users);"
    plan = planned(USERS + table.format("posts") + table.format("notes"), there=there)
    assert plan.table("posts").action is Action.MERGE
    assert ids(plan)["posts.author"] == OF_INTEGER
    assert plan.table("notes").action is Action.SKIP
    assert "notes.author holds ids of users, which become uuid, not bigint" in told(plan, "TARGET-MISFIT")[0]


def test_values_that_are_no_ids_stay_and_their_foreign_key_is_told_as_not_carried(planned: Planned) -> None:
    plan = planned(
        USERS + "CREATE TABLE odd (id INTEGER PRIMARY KEY, who REAL REFERENCES users); INSERT INTO odd VALUES (1, 1.0);"
    )
    assert "odd.who" not in ids(plan)
    assert "but users.id is uuid" in told(plan, "FK-PARENT")[0]


def test_a_default_that_is_a_number_is_told_as_not_carried(planned: Planned) -> None:
    plan = planned(USERS + "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER DEFAULT 1 REFERENCES users);")
    author = plan.table("posts").columns[1]
    assert (author.type, author.default) == ("uuid", None)
    assert told(plan, "DEFAULT-NOT-CARRIED") == [
        "posts.author: the default 1 is not carried: 1 is no value of type uuid."
    ]


def test_a_type_that_a_person_wrote_stays_theirs(planned: Planned) -> None:
    override = TableOverride(columns={"author": (None, "bigint", None)})
    script = USERS + "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users);"
    plan = planned(script, scope=Scope(tables={"posts": override}))
    assert plan.table("posts").columns[1].type == "bigint"
    assert "but users.id is uuid" in told(plan, "FK-PARENT")[0]


@pytest.mark.parametrize(
    ("script", "references", "id", "said"),
    [
        (USERS, ("users.nobody",), "id", "users has: id, email, boss"),
        (USERS, ("nothing.id",), "id", "has the tables: users"),
        (USERS, (), "boss", "Its keys: id"),
        ("CREATE TABLE users (id PRIMARY KEY, email); INSERT INTO users VALUES (1, 'a'), ('x', 'b');", (), "id", "rep"),
        (USERS + "CREATE TABLE a (by); INSERT INTO a VALUES (1), ('x');", ("a.by",), "id", "Take it out"),
    ],
)
def test_users_that_cannot_have_uuids_are_refused_with_what_to_do(
    planned: Planned, script: str, references: tuple[str, ...], id: str, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        planned(script, *references, id=id)
    assert said in refused.value.hint


def test_a_plan_with_ids_of_users_and_no_users_is_refused(make_source: MakeSource) -> None:
    path = make_source(USERS)
    override = TableOverride(columns={"id": (None, "uuid", OF_INTEGER)})
    with pytest.raises(UsageError, match="moves no users"):
        make_plan(
            "source.db",
            "0" * 64,
            inspect(path),
            profile(path, inspect(path)),
            TargetSide("nowhere", EMPTY),
            Scope(tables={"users": override}),
            Chooser(Decisions()),
        )
