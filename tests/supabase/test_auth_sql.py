"""Users made by SQL: as Auth makes them, refused where the schema is another, and undone only where untouched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from migrator_tui.demo.project.layout import lay_out
from migrator_tui.model.errors import TargetError
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.supabase import auth_conditions, auth_sql, auth_triggers
from migrator_tui.supabase.auth_sql import Existing, existing, insert, preflight
from migrator_tui.supabase.auth_users import SourceUser
from tests.supabase.auth_rows import PROFILES, made_of, people, rows_of

Connection = psycopg.Connection[Any]


@pytest.fixture
def owner(target: Target) -> Iterator[Connection]:
    """The database of a project, as its owner."""
    with connect(lay_out(target)) as connection:
        yield connection


@pytest.fixture
def superuser(target: Target) -> Iterator[Connection]:
    """The same database, as who may change Auth's schema."""
    with connect(target) as connection:
        yield connection


def test_users_made_by_sql_pass_every_condition_for_signing_in_and_keep_when_they_were_created(
    owner: Connection,
) -> None:
    users = people(3)
    preflight(owner)
    assert insert(owner, users) == 3
    assert auth_conditions.violations(owner, users) == []
    assert rows_of(owner, "SELECT DISTINCT created_at, email_confirmed_at = created_at FROM auth.users") == [
        (datetime(2024, 3, 1, 10, 20, 30, tzinfo=UTC), True)
    ]
    assert rows_of(
        owner,
        "SELECT email, phone, encrypted_password, raw_app_meta_data, raw_user_meta_data, confirmed_at IS NOT NULL "
        "FROM auth.users ORDER BY email LIMIT 1",
    ) == [
        (
            "person1@example.org",
            "4915112345",
            users[0].hash.usable,
            {"provider": "email", "providers": ["email", "phone"], "role": "member"},
            {"email_verified": True, "phone_verified": True, "full_name": "Person 1"},
            True,
        )
    ]
    identities = rows_of(owner, "SELECT provider, email FROM auth.identities WHERE user_id = provider_id::uuid")
    assert sorted(identities, key=str) == [
        ("email", "person1@example.org"),
        ("email", "person2@example.org"),
        ("email", "person3@example.org"),
        ("phone", None),
    ]


def test_a_user_without_a_usable_hash_and_one_who_is_not_confirmed_are_made_so(owner: Connection) -> None:
    users = made_of(
        SourceUser(1, 1, "a@x.de", password_hash="pbkdf2_sha256$1$a$b"), SourceUser(2, 2, None, "4915112345")
    )
    insert(owner, users)
    assert auth_conditions.violations(owner, users) == []
    assert rows_of(owner, "SELECT encrypted_password, email, phone FROM auth.users ORDER BY email") == [
        ("", "a@x.de", None),
        ("", None, "4915112345"),
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE auth.users SET recovery_token = NULL", "a token that is NULL"),
        ("UPDATE auth.users SET email_change = NULL", "a token that is NULL"),
        ("UPDATE auth.users SET email = upper(email)", "not in lower case"),
        ("UPDATE auth.users SET phone = ''", "empty phone number"),
        ("UPDATE auth.users SET instance_id = NULL", "another instance"),
        ("UPDATE auth.users SET aud = ''", "audience"),
        ("UPDATE auth.users SET role = 'teacher'", "Postgres role"),
        ("UPDATE auth.users SET encrypted_password = ''", "password"),
        ("UPDATE auth.users SET email_confirmed_at = NULL, phone_confirmed_at = NULL", "not confirmed"),
        ("UPDATE auth.users SET banned_until = 'infinity'", "banned"),
        ("UPDATE auth.users SET is_sso_user = true", "single sign-on"),
        ("DELETE FROM auth.identities", "no identity by e-mail"),
        ("UPDATE auth.identities SET provider_id = '7' WHERE provider = 'email'", "no identity by e-mail"),
        ("UPDATE auth.identities SET identity_data = identity_data - 'sub'", "no identity by e-mail"),
        ("DELETE FROM auth.users", "not in auth.users"),
    ],
)
def test_each_condition_for_signing_in_that_does_not_hold_is_named_with_the_user(
    owner: Connection, change: str, what: str
) -> None:
    users = people(2)
    insert(owner, users[1:])
    owner.execute(change.encode())
    found = auth_conditions.violations(owner, users[1:])
    assert any(what in str(violation) and "user 2" in str(violation) for violation in found)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("ALTER TABLE auth.users ADD COLUMN tenant uuid NOT NULL", "auth.users.tenant"),
        ("ALTER TABLE auth.users DROP COLUMN reauthentication_token", "auth.users.reauthentication_token"),
        ("ALTER TABLE auth.identities RENAME provider_id TO id_of_provider", "auth.identities.provider_id"),
        ("DROP SCHEMA auth CASCADE", "no tables auth.users"),
    ],
)
def test_a_schema_of_another_version_is_refused_before_anything_is_written_and_says_what_differs(
    owner: Connection, superuser: Connection, change: str, what: str
) -> None:
    superuser.execute(change.encode())
    with pytest.raises(TargetError, match=what) as refused:
        preflight(owner)
    assert refused.value.id == "AUTH-SCHEMA"
    assert refused.value.hint


def test_a_role_that_may_not_write_users_or_would_see_none_of_them_is_refused(
    owner: Connection, superuser: Connection, target: Target, role: Any
) -> None:
    with connect(role()) as stranger, pytest.raises(TargetError, match="USAGE on schema auth") as refused:
        preflight(stranger)
    assert refused.value.id == "AUTH-RIGHTS"
    reader = role()
    superuser.execute(f"GRANT USAGE ON SCHEMA auth TO {reader.user}".encode())
    superuser.execute(f"GRANT SELECT ON auth.users TO {reader.user}".encode())
    with connect(reader) as connection:
        with pytest.raises(TargetError, match=r"INSERT on auth\.users"):
            preflight(connection)
        with pytest.raises(TargetError, match="BYPASSRLS"):
            preflight(connection, writes=False)


def test_users_who_are_there_are_found_by_address_number_or_identifier(owner: Connection) -> None:
    one, two, three = people(3)
    insert(owner, [one, two, three])
    assert existing(owner, emails=["person2@example.org"], phones=["4915112345"]) == [
        Existing(one.id, one.email, one.phone),
        Existing(two.id, two.email, two.phone),
    ]
    assert [user.id for user in existing(owner, ids=[three.id])] == [three.id]


def test_users_nobody_touched_can_go_and_the_others_say_why_not(owner: Connection) -> None:
    users = people(5)
    insert(owner, users)
    made: dict[Any, str | None] = {**auth_conditions.states(owner, [user.id for user in users])}
    assert auth_conditions.touched(owner, made) == {}
    ids = [user.id for user in users]
    owner.execute("UPDATE auth.users SET last_sign_in_at = now() WHERE id = %s", (ids[0],))
    owner.execute("UPDATE auth.users SET raw_user_meta_data = '{}' WHERE id = %s", (ids[1],))
    owner.execute("CREATE TABLE public.todos (owner uuid REFERENCES auth.users ON DELETE CASCADE)")
    owner.execute("INSERT INTO public.todos VALUES (%s)", (ids[2],))
    owner.execute("DELETE FROM auth.users WHERE id = %s", (ids[3],))
    assert auth_conditions.touched(owner, made) == {
        ids[0]: "signed in since",
        ids[1]: "was changed since",
        ids[2]: "is referred to by public.todos",
    }
    assert auth_sql.delete(owner, ids[4:]) == 1
    assert rows_of(owner, "SELECT count(*) FROM auth.identities WHERE identity_data ->> 'email' LIKE 'person5%'") == [
        (0,)
    ]


def test_a_trigger_on_users_is_shown_with_its_function_and_its_rows_are_counted_and_taken_back(
    owner: Connection,
) -> None:
    owner.execute(PROFILES.encode())
    (trigger,) = auth_triggers.triggers(owner)
    assert (trigger.name, trigger.on_insert) == ("on_auth_user_created", True)
    assert "INSERT INTO public.profiles" in trigger.function_text
    users = people(3)
    ids = [user.id for user in users]
    assert auth_triggers.rows_of_users(owner, ids) == []
    insert(owner, users)
    rows = auth_triggers.rows_of_users(owner, ids)
    assert {str(table): count for table, count in auth_triggers.counts(rows).items()} == {"public.profiles": 3}
    assert [auth_triggers.TriggeredRow.from_json(row.user, row.as_json()) for row in rows] == rows
    owner.execute("UPDATE public.profiles SET name = 'Mine' WHERE id = %s", (ids[0],))
    assert list(auth_triggers.changed_rows(owner, rows)) == [ids[0]]
    assert auth_triggers.delete_rows(owner, rows) == 2
    assert rows_of(owner, "SELECT name FROM public.profiles") == [("Mine",)]


def test_two_thousand_users_are_made_in_few_statements(owner: Connection) -> None:
    users = people(2_100)
    insert(owner, users)
    assert auth_conditions.violations(owner, users) == []
    assert rows_of(owner, "SELECT count(*), count(DISTINCT id) FROM auth.users") == [(2_100, 2_100)]
