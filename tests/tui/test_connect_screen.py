"""Connect: the form, the test of both ends step by step, and what stays on screen when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Button, DirectoryTree, Input, Select, Static

from migrator_tui.credentials import CredentialError
from migrator_tui.demo.prepare import prepare
from migrator_tui.migration.guide import Bench, Ends, Offer
from migrator_tui.migration.guide import Step as TestStep
from migrator_tui.model.errors import TargetError, UsageError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.pick_file import PickFile
from migrator_tui.tui.screens.compare import CompareScreen
from migrator_tui.tui.screens.connect import ConnectScreen
from migrator_tui.tui.screens.home import HomeScreen
from migrator_tui.tui.target_text import Fields, HidePassword, fields_of, short, url_of, without_password
from migrator_tui.tui.widgets.path_suggester import completed
from migrator_tui.tui.widgets.step_lines import StepLines
from migrator_tui.tui.wording import at_home
from tests.tui.conftest import Opened
from tests.tui.scripted import ScriptedBench, ScriptedGuide
from tests.tui.waiting import on, until

AppOn = Callable[..., Opened]
TestStep.__test__ = False  # type: ignore[attr-defined]
URL = "postgresql://app@db.example.com:5432/shop"


@dataclass
class WaitingGuide(ScriptedGuide):
    """Answers when it is let go."""

    go: threading.Event = field(default_factory=threading.Event)
    opened: ScriptedBench | None = None

    def open(self, ends: Ends, password: Secret | None, say: Callable[[TestStep], None]) -> Bench:
        say(TestStep("connect", None, "connecting to shop"))
        self.go.wait()
        self.opened = ScriptedBench(ends)
        return self.opened


@dataclass
class RefusingGuide(ScriptedGuide):
    """The step under way fails."""

    def open(self, ends: Ends, password: Secret | None, say: Callable[[TestStep], None]) -> Bench:
        say(TestStep("password", True, "as typed"))
        say(TestStep("connect", None, "connecting to shop"))
        return super().open(ends, password, say)


@dataclass
class KeyringlessGuide(ScriptedGuide):
    """There is no keyring."""

    def keep_password(self, ends: Ends, password: Secret) -> str:
        raise CredentialError("CREDENTIAL-NO-KEYRING", "This system has no keyring.", "Use ~/.pgpass.")


def shown(app: MigratorApp) -> str:
    return " ".join(str(app.screen.query_one(StepLines).render()).split())


def value(app: MigratorApp, name: str) -> str:
    return app.screen.query_one(f"#{name}", Input).value


def focus(app: MigratorApp) -> str | None:
    return app.focused.id if app.focused is not None else None


@pytest.fixture
def source(folder: Path) -> Path:
    """The sample application's database."""
    return prepare(folder / "sample").source


def ends(source: Path, target: str = URL) -> Ends:
    return Ends(source, target)


async def test_the_demo_tests_itself_and_enter_goes_on(app_on: AppOn, folder: Path) -> None:
    async with app_on(ends=prepare(folder / "demo")) as (app, pilot):
        await until(pilot, lambda: app.session.bench is not None)
        await until(pilot, lambda: "PostgreSQL 18" in shown(app))
        assert "8 tables" in shown(app)
        assert "may do what the plan needs" in shown(app)
        await until(pilot, lambda: focus(app) == "go")
        await pilot.press("enter")
        await until(pilot, lambda: on(app, CompareScreen))
        await pilot.press("escape")
        await until(pilot, lambda: on(app, ConnectScreen))
        assert str(app.screen.query_one("#go", Button).label) == "Continue"


async def test_a_wrong_password_stays_on_screen_and_the_right_one_opens_both_ends(
    app_on: AppOn, source: Path, role: Callable[..., Target], target: Target
) -> None:
    stranger = role(f"GRANT CREATE ON DATABASE {target.database}", "GRANT CREATE, USAGE ON SCHEMA public")
    async with app_on(ends=ends(source, stranger.display)) as (app, pilot):
        await until(pilot, lambda: on(app, ConnectScreen) and focus(app) == "go")
        app.screen.query_one("#password").focus()
        await pilot.press(*"wr0ng", "enter")
        await until(pilot, lambda: "TARGET-PASSWORD" in shown(app))
        assert "✗ connect" in shown(app)
        assert focus(app) == "password"
        assert app.session.bench is None
        await pilot.press("home", "shift+end", *"p4ss", "enter")
        await until(pilot, lambda: app.session.bench is not None)
        assert app.session.password == Secret("p4ss")
        picture = app.export_screenshot()
        assert "p4ss" not in picture
        assert "wr0ng" not in picture
        assert "p4ss" not in repr(app.session)


async def test_missing_rights_are_shown_with_the_grants_that_give_them(
    app_on: AppOn, source: Path, role: Callable[..., Target]
) -> None:
    stranger = role()
    async with app_on(ends=ends(source, stranger.display), size=(120, 36)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        app.screen.query_one("#password", Input).value = "p4ss"
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "GRANT" in shown(app))
        assert f"GRANT CREATE ON DATABASE {stranger.database} TO {stranger.user}" in shown(app).replace('"', "")


async def test_the_rows_that_are_there_already_are_counted(app_on: AppOn, source: Path, target: Target) -> None:
    import psycopg

    with psycopg.connect(target.conninfo()) as connection:
        connection.execute("CREATE TABLE public.orders AS SELECT generate_series(1, 1234)")
    async with app_on(ends=ends(source, target.display), size=(120, 36)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        await pilot.press("enter")
        await until(pilot, lambda: "1,234 rows public.orders" in shown(app))


async def test_escape_cancels_the_test_and_what_it_opens_later_is_let_go(app_on: AppOn, source: Path) -> None:
    guide = WaitingGuide()
    async with app_on(guide, ends=ends(source)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        await pilot.press("enter")
        await until(pilot, lambda: "connecting to shop" in shown(app))
        await pilot.press("escape")
        assert isinstance(app.screen, ConnectScreen)
        assert "cancelled" in shown(app)
        guide.go.set()
        await until(pilot, lambda: guide.opened is not None and guide.opened.closed)
        assert app.session.bench is None
        await pilot.press("escape")
        await until(pilot, lambda: on(app, HomeScreen))


@pytest.mark.parametrize(
    ("id", "field_in_focus"),
    [("TARGET-PASSWORD", "password"), ("TARGET-HOST", "url"), ("TARGET-DATABASE", "url"), ("TARGET-SQL", "go")],
)
async def test_an_error_leads_to_the_field_it_is_about(
    app_on: AppOn, source: Path, id: str, field_in_focus: str
) -> None:
    guide = RefusingGuide(refuses=TargetError(id, "Something [is] wrong.", "Mend [it]."))
    async with app_on(guide, ends=ends(source)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        await pilot.press("enter")
        await until(pilot, lambda: id in shown(app))
        assert "✓ password as typed" in shown(app)
        assert "✗ connect" in shown(app)
        assert "→ Mend [it]." in shown(app)
        assert focus(app) == field_in_focus


async def test_what_is_missing_is_said_and_asked_for_in_order(app_on: AppOn, source: Path) -> None:
    async with app_on(ScriptedGuide()) as (app, pilot):
        await pilot.press("m")
        await until(pilot, lambda: on(app, ConnectScreen))
        assert focus(app) == "source"
        await pilot.press("enter")
        assert "SOURCE-NOT-GIVEN" in shown(app)
        app.screen.query_one("#source", Input).value = str(source)
        await until(pilot, lambda: "✓ SQLite" in str(app.screen.query_one("#source-note", Static).render()))
        await pilot.press("enter")
        assert "No target is named" in shown(app)
        assert focus(app) == "url"
        await pilot.press(*"embedded", "enter")
        await until(pilot, lambda: app.session.bench is not None)
        assert app.session.ends == Ends(source, "embedded")


async def test_a_file_that_is_no_database_is_told_at_once(app_on: AppOn, folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    async with app_on(ScriptedGuide()) as (app, pilot):
        await pilot.press("m")
        await until(pilot, lambda: focus(app) == "source")
        await pilot.press(*"notes.txt")
        assert "not a SQLite database" in str(app.screen.query_one("#source-note", Static).render())


async def test_a_url_becomes_fields_and_fields_become_a_url(app_on: AppOn, source: Path) -> None:
    async with app_on(ScriptedGuide(), ends=ends(source, f"{URL}?sslmode=require")) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: value(app, "host") == "db.example.com")
        assert [value(app, n) for n in ("port", "user", "database")] == ["5432", "app", "shop"]
        app.screen.query_one("#database", Input).value = "sh/op"
        await pilot.press("ctrl+g")
        assert not app.screen.query_one("#password-row").display
        await pilot.press("ctrl+g")
        await until(pilot, lambda: value(app, "url").endswith("/sh%2Fop?sslmode=require"))


async def test_a_password_pasted_with_the_url_goes_to_its_own_field_and_is_never_seen(
    app_on: AppOn, source: Path
) -> None:
    async with app_on(ScriptedGuide(), ends=ends(source)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        field_of_url = app.screen.query_one("#url", Input)
        field_of_url.focus()
        field_of_url.value = "postgresql://app:p@ss/w0rd@db.example.com:5432/shop"
        await pilot.pause()
        assert "w0rd" not in app.export_screenshot()
        await pilot.press("enter")
        await until(pilot, lambda: app.session.bench is not None)
        assert app.session.password == Secret("p@ss/w0rd")
        assert value(app, "url") == URL
        assert app.session.ends == ends(source)


async def test_what_was_tested_is_tested_again_after_a_change(app_on: AppOn, source: Path) -> None:
    async with app_on(ScriptedGuide(), ends=ends(source)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        await pilot.press("enter")
        await until(pilot, lambda: str(app.screen.query_one("#go", Button).label) == "Continue")
        app.screen.query_one("#url", Input).value = f"{URL}2"
        await until(pilot, lambda: str(app.screen.query_one("#go", Button).label) == "Test")


@pytest.mark.parametrize(
    ("guide", "said"),
    [(ScriptedGuide(), "✓ keyring the password is kept in"), (KeyringlessGuide(), "→ Use ~/.pgpass.")],
)
async def test_keeping_the_password_says_where_or_what_else_there_is(
    app_on: AppOn, source: Path, guide: ScriptedGuide, said: str
) -> None:
    async with app_on(guide, ends=ends(source)) as (app, pilot):
        await until(pilot, lambda: focus(app) == "go")
        app.screen.query_one("#password", Input).value = "p4ss"
        app.screen.query_one("#keep").focus()
        await pilot.press("space", "ctrl+t")
        await until(pilot, lambda: app.session.bench is not None)
        assert said in shown(app)


async def test_a_profile_fills_the_form(app_on: AppOn, source: Path) -> None:
    profile = Ends(source, URL, uploads=source.parent / "uploads")
    async with app_on(ScriptedGuide(offered=[Offer("live", "", profile)])) as (app, pilot):
        await pilot.press("m")
        await until(pilot, lambda: on(app, ConnectScreen))
        await until(pilot, lambda: app.screen.query_one("#profile-row").display)
        app.screen.query_one("#profile", Select).value = 0
        await until(pilot, lambda: value(app, "url") == URL)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: app.session.ends == profile)


async def test_the_file_is_chosen_from_a_tree_that_shows_only_databases(app_on: AppOn, source: Path) -> None:
    (source.parent / "notes.txt").write_text("x")
    (source.parent / "empty").mkdir()
    async with app_on(ScriptedGuide(), ends=ends(source.parent / "empty" / "gone.db")) as (app, pilot):
        await until(pilot, lambda: on(app, ConnectScreen))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: on(app, PickFile) and app.screen.has_class("-empty"))
        said = str(app.screen.query_one("#nothing", Static).render())
        assert f"neither a SQLite file nor a folder in {at_home(source.parent / 'empty')}" in said
        assert "goes to the folder above" in said
        await pilot.press("backspace")
        await until(pilot, lambda: not app.screen.has_class("-empty"))
        tree = app.screen.query_one(DirectoryTree)
        await until(pilot, lambda: len(tree.root.children) > 0)
        names = [str(node.label) for node in tree.root.children]
        assert names == ["empty", "project", "uploads", "app.db"]
        await pilot.press("end", "enter")
        await until(pilot, lambda: on(app, ConnectScreen))
        assert value(app, "source") == at_home(source)


def test_a_path_is_completed_to_the_entry_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shop.db").touch()
    (tmp_path / ".hidden").touch()
    assert completed("da", tmp_path) == "data/"
    assert completed("data/sh", tmp_path) == "data/shop.db"
    assert completed(f"{tmp_path}/da", Path()) == f"{tmp_path}/data/"
    assert completed("nothing", tmp_path) is None
    assert completed("", tmp_path) is None
    assert completed(".h", tmp_path) == ".hidden"
    assert completed("~nobody-such/x", tmp_path) is None


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=12)


@given(database=NAMES, user=NAMES, port=st.integers(1, 65535))
def test_fields_survive_the_way_to_a_url_and_back(database: str, user: str, port: int) -> None:
    fields = Fields("db.example.com", str(port), database, user)
    assert fields_of(url_of(fields)) == fields


# No white space: libpq itself leaves it out at the end of a part of a URL.
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="%"), min_size=1, max_size=12))
def test_whatever_was_pasted_as_a_password_is_taken_out_whole(password: str) -> None:
    bare, found = without_password(f"postgresql://app:{password}@db.example.com:5432/shop")
    assert found == Secret(password)
    assert bare in (URL, "postgresql://app@db.example.com:5432/shop")


@pytest.mark.parametrize(
    ("pasted", "password"),
    [
        ("postgresql://app:a%40b@db/shop", Secret("a%40b".replace("%40", "@"))),
        ("postgresql://app:100%@db/shop", Secret("100%")),
        ("postgresql://app:[YOUR-PASSWORD]@db/shop", None),
        ("postgresql://app@db/shop", None),
        ("nonsense", None),
    ],
)
def test_percent_signs_and_placeholders_in_a_password_are_understood(pasted: str, password: Secret | None) -> None:
    bare, found = without_password(pasted)
    assert found == password
    assert "YOUR-PASSWORD" not in bare


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    with pytest.raises(UsageError, match="port"):
        url_of(Fields("db", port))


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://app:geheim@db/shop", "postgresql://app:••••••@db/shop"),
        ("postgresql://app:geh", "postgresql://app:•••"),
        ("postgresql://localhost:5432/shop", "postgresql://localhost:5432/shop"),
        ("postgresql://db/shop?user=a&password=geheim", "postgresql://db/shop?user=a&password=••••••"),
        ("postgresql://app@db/shop", "postgresql://app@db/shop"),
    ],
)
def test_a_password_is_hidden_while_it_is_typed_into_the_url(url: str, seen: str) -> None:
    assert HidePassword()(url).plain == seen


def test_a_target_has_a_short_name_without_its_password() -> None:
    assert short("embedded") == "embedded server"
    assert short("postgresql://app:geheim@db.example.com/shop") == "shop@db.example.com"
    assert "geheim" not in short("postgresql://app:geh/eim@db.example.com/shop")
