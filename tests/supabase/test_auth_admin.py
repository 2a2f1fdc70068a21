"""Users over the Admin API, against the project's stand-in: made once, matched, and each refusal with its next step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from migrator_tui.convert.user_ids import user_id
from migrator_tui.demo import passwords
from migrator_tui.demo.project.faults import Fault
from migrator_tui.demo.project.project import Project
from migrator_tui.model.errors import ConnectionLost, Interrupted, TargetError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase import auth_conditions
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.auth_admin import PAGE, AddressTaken, AuthAdmin, UserRefused
from migrator_tui.supabase.auth_sql import Existing, insert
from migrator_tui.supabase.auth_users import AuthUser, SourceUser
from tests.supabase.auth_rows import NAMESPACE, PROFILES, made_of, people, rows_of, sign_in

USERS = "/auth/v1/admin/users"


@pytest.fixture
def admin(project: Project) -> Iterator[AuthAdmin]:
    """The Admin API of the project."""
    with AuthAdmin(Api(project.api_url, project.secret_key), patience=5) as admin:
        yield admin


@pytest.fixture
def owner(project: Project) -> Iterator[psycopg.Connection[Any]]:
    """The project's database."""
    with connect(project.target) as connection:
        yield connection


def test_a_user_made_over_the_api_passes_every_condition_and_signs_in_with_the_password_of_the_source(
    project: Project, admin: AuthAdmin, owner: psycopg.Connection[Any]
) -> None:
    users = people(2)
    for user in users:
        admin.create(user)
    assert auth_conditions.violations(owner, users) == []
    assert admin.get(users[0].id) == Existing(users[0].id, "person1@example.org", "4915112345")
    assert sign_in(project, "person1@example.org", passwords.password(1)) == 200
    assert rows_of(owner, "SELECT raw_app_meta_data ->> 'role' FROM auth.users") == [("member",), ("member",)]
    assert not project.faults.seen("/auth/v1/(invite|recover|otp|magiclink)")


def test_a_user_who_needs_a_reset_and_one_who_is_not_confirmed_are_made_so(
    admin: AuthAdmin, owner: psycopg.Connection[Any]
) -> None:
    (user,) = made_of(SourceUser(1, 1, "a@x.de", password_hash="md5$a$b"))
    admin.create(user)
    assert auth_conditions.violations(owner, [user]) == []
    unconfirmed = AuthUser("2", user_id(NAMESPACE, "2"), "b@x.de", None, user.hash, confirmed=False)
    admin.create(unconfirmed)
    assert rows_of(owner, "SELECT email, email_confirmed_at IS NULL FROM auth.users ORDER BY email") == [
        ("a@x.de", False),
        ("b@x.de", True),
    ]


def test_a_request_whose_answer_was_lost_is_made_again_and_finds_the_user_it_made(
    project: Project, admin: AuthAdmin, owner: psycopg.Connection[Any]
) -> None:
    (user,) = people(1)
    project.faults.add(Fault(USERS, "POST", drop_answer=True))
    admin.create(user)
    assert rows_of(owner, "SELECT id FROM auth.users") == [(user.id,)]
    admin.create(user)
    assert rows_of(owner, "SELECT count(*) FROM auth.users") == [(1,)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_and_the_waiting_is_told(project: Project, status: int) -> None:
    told: list[str | None] = []
    project.faults.add(Fault(USERS, "POST", times=2, status=status, body={"message": "slow down"}))
    with AuthAdmin(Api(project.api_url, project.secret_key), on_wait=told.append) as admin:
        admin.create(people(1)[0])
    assert [text is None for text in told][:3] == [False, False, True]
    assert "slow down" in str(told[0])


def test_somebody_elses_address_or_number_is_not_taken_over(admin: AuthAdmin, owner: psycopg.Connection[Any]) -> None:
    insert(owner, made_of(SourceUser(70, 70, "Person2@example.org"), SourceUser(71, 71, "z@x.de", "+4915112345")))
    one, two = people(2)
    for user, what in ((one, "number"), (two, "address")):
        with pytest.raises(AddressTaken, match=what) as taken:
            admin.create(user)
        assert "new run" in taken.value.hint
        assert f"User {user.key}" in taken.value.message


def test_a_failing_trigger_is_told_as_the_databases_refusal_of_that_user(
    admin: AuthAdmin, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(PROFILES.replace("name text", "name text CHECK (name <> 'Person 1')").encode())
    with pytest.raises(TargetError, match="Database error creating new user") as refused:
        admin.create(people(1)[0])
    assert refused.value.id == "AUTH-DATABASE"
    assert "trigger on auth.users" in refused.value.hint


def test_an_address_that_auth_refuses_is_one_users_trouble(admin: AuthAdmin) -> None:
    with pytest.raises(UserRefused, match="Unable to validate email address") as refused:
        admin.create(AuthUser("9", user_id(NAMESPACE, "9"), "nowhere", None, people(1)[0].hash, confirmed=True))
    assert "User 9" in refused.value.message


@pytest.mark.parametrize("kind", ["publishable", "nonsense"])
def test_a_key_that_is_not_the_secret_one_is_refused_at_once_with_what_to_set(project: Project, kind: str) -> None:
    key = Secret(project.publishable_key if kind == "publishable" else "sb_secret_nonsense")
    with AuthAdmin(Api(project.api_url, key)) as admin, pytest.raises(TargetError) as refused:
        admin.check()
    assert refused.value.id == "AUTH-KEY"
    assert "SUPABASE_SECRET_KEY" in refused.value.hint
    assert key.reveal() not in str(refused.value)
    assert len(project.faults.seen(USERS)) == 1


def test_an_api_that_does_not_answer_or_is_no_auth_is_told_with_its_address(project: Project) -> None:
    key = project.secret_key
    project.faults.add(Fault(USERS, status=200, body="<html>parked</html>"))
    with AuthAdmin(Api(project.api_url, key)) as admin, pytest.raises(TargetError, match=r"127\.0\.0\.1") as refused:
        admin.check()
    assert refused.value.id == "AUTH-API"
    project.stop()
    with AuthAdmin(Api(project.api_url, key), patience=0) as admin, pytest.raises(ConnectionLost) as lost:
        admin.check()
    assert lost.value.id == "AUTH-UNREACHABLE"
    assert "resume" in lost.value.hint


def test_waiting_ends_when_the_run_is_stopped(project: Project) -> None:
    project.faults.add(Fault(USERS, times=1_000, status=503))
    stop = threading.Event()
    with (
        AuthAdmin(Api(project.api_url, project.secret_key), stop=stop, on_wait=lambda text: stop.set()) as admin,
        pytest.raises(Interrupted),
    ):
        admin.check()


def test_all_users_are_listed_over_several_pages(admin: AuthAdmin, owner: psycopg.Connection[Any]) -> None:
    users = people(2 * PAGE + 3)
    insert(owner, users)
    assert {user.id for user in admin.users()} == {user.id for user in users}


def test_a_user_is_deleted_once_and_kept_where_the_database_keeps_them(
    admin: AuthAdmin, owner: psycopg.Connection[Any]
) -> None:
    one, two = people(2)
    insert(owner, [one, two])
    owner.execute("CREATE TABLE public.notes (owner uuid REFERENCES auth.users)")
    owner.execute("INSERT INTO public.notes VALUES (%s)", (two.id,))
    assert admin.delete(one.id)
    assert not admin.delete(one.id)
    with pytest.raises(UserRefused, match="Database error deleting user"):
        admin.delete(two.id)
    assert admin.get(one.id) is None
    assert admin.get(two.id) is not None
