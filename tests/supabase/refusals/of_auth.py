"""What Auth refuses, and what keeps an imported user from signing in."""

from __future__ import annotations

import secrets
from dataclasses import replace
from uuid import UUID, uuid4

from migrator_tui.demo import passwords
from migrator_tui.demo.project.faults import Fault
from migrator_tui.migration.planning.plan_users import Looked, told_of
from migrator_tui.model.findings import CATALOGUE
from migrator_tui.postgres.connect import connect, explain
from migrator_tui.supabase import auth_conditions, auth_sql
from migrator_tui.supabase.auth_hashes import HashClass
from migrator_tui.supabase.auth_users import AuthUser, SourceUser, users_of
from tests.supabase.auth_rows import PLAN, PROFILES, sign_in
from tests.supabase.refusals.words import Scene, Told, refusals_of

BY_AUTH, auth = refusals_of("Auth")

_USERS = "/auth/v1/admin/users"


def _somebody(*, email: str | None = None, phone: str | None = None, hash: str | None = None) -> AuthUser:
    """A user whom nobody has seen yet."""
    key = secrets.randbelow(10**9)
    address = f"u{key}@example.org" if email is None and phone is None else email
    row = SourceUser(key, key, address, phone, hash or passwords.HASHES[0])
    (user,) = users_of([row], PLAN).users
    return user


@auth("422 email_exists", "AUTH-TAKEN", "Start a new run")
def _email(scene: Scene) -> Told | None:
    with scene.auth() as admin:
        first = _somebody()
        admin.create(first)
        admin.create(replace(first, id=uuid4()))
    return None


@auth("422 phone_exists", "AUTH-TAKEN", "Start a new run")
def _phone(scene: Scene) -> Told | None:
    with scene.auth() as admin:
        first = _somebody(phone="+4930123456")
        admin.create(first)
        admin.create(replace(first, id=uuid4()))
    return None


@auth("a failing trigger: Database error creating new user", "AUTH-DATABASE", "trigger on auth.users")
def _trigger(scene: Scene) -> Told | None:
    scene.does(PROFILES.replace("name text", "name text CHECK (false)"))
    try:
        with scene.auth() as admin:
            admin.create(replace(_somebody(), user_metadata={"full_name": "Ada"}))
    finally:
        scene.outside(
            "DROP TRIGGER on_auth_user_created ON auth.users; DROP FUNCTION public.handle_new_user; DROP TABLE profiles"
        )
    return None


@auth("a token that is NULL: Database error querying schema", "USERS-VERIFY", "migrator-tui rollback")
def _tokens(scene: Scene) -> Told | None:
    user = _somebody()
    assert user.email is not None
    with connect(scene.project.target) as connection:
        auth_sql.insert(connection, [user])
        assert sign_in(scene.project, user.email, passwords.password(0)) == 200
        scene.outside(f"UPDATE auth.users SET recovery_token = NULL WHERE id = '{user.id}'")
        try:
            assert sign_in(scene.project, user.email, passwords.password(0)) == 500
            (found,) = auth_conditions.violations(connection, [user])
        finally:
            scene.outside(f"DELETE FROM auth.users WHERE id = '{user.id}'")
    raise auth_conditions.not_met([found], "20261129-090000-abcd")


@auth("hashes of Django, werkzeug, SHA, MD5: password reset", "USER-RESET", "a link for a new one")
def _resets(scene: Scene) -> Told | None:
    stored = (
        "pbkdf2_sha256$600000$c2FsdA$aGFzaA==",
        "scrypt:32768:8:1$salt$" + "0" * 128,
        "pbkdf2:sha256:260000$salt$" + "0" * 64,
        "0" * 40,
        "0" * 32,
    )
    rows = [SourceUser(n, n, f"h{n}@example.org", None, hash) for n, hash in enumerate(stored)]
    (finding,) = told_of(Looked(PLAN, users_of(rows, PLAN), ()))
    return Told(finding.id, finding.message, CATALOGUE[finding.id].meaning)


@auth("password_hash that Auth cannot read", "AUTH-REFUSED", "Correct the row")
def _hash(scene: Scene) -> Told | None:
    with scene.auth() as admin:
        admin.create(replace(_somebody(), hash=HashClass("bcrypt", "pbkdf2_sha256$1$a$b")))
    return None


@auth("an address that is none", "AUTH-REFUSED", "Correct the row")
def _address(scene: Scene) -> Told | None:
    with scene.auth() as admin:
        admin.create(replace(_somebody(), email="nowhere"))
    return None


@auth("the nil UUID is no id", "AUTH-REFUSED", "Correct the row")
def _nil(scene: Scene) -> Told | None:
    with scene.auth() as admin:
        admin.create(replace(_somebody(), id=UUID(int=0)))
    return None


@auth("one identity a provider: unique (provider_id, provider)", "TARGET-SQL", "Nothing of that statement was kept")
def _identity(scene: Scene) -> Told | None:
    user, target = _somebody(), scene.project.target
    with connect(target) as connection:
        auth_sql.insert(connection, [user])
        try:
            connection.execute(
                "INSERT INTO auth.identities (provider_id, user_id, identity_data, provider) "
                "SELECT provider_id, user_id, identity_data, provider FROM auth.identities WHERE user_id = %s",
                (user.id,),
            )
        except Exception as error:
            raise explain(error, target) from error
    return None


@auth("confirmed_at and identities.email are generated", "AUTH-SCHEMA", "Admin API")
def _generated(scene: Scene) -> Told | None:
    # Something that the program writes became a generated column, as those two did. Rolled back.
    with connect(scene.project.superuser, autocommit=False) as connection:
        connection.execute(
            "ALTER TABLE auth.users DROP COLUMN phone_change_token, "
            "ADD COLUMN phone_change_token text GENERATED ALWAYS AS ('') STORED"
        )
        try:
            auth_sql.preflight(connection)
        finally:
            connection.rollback()
    return None


@auth("a publishable key is not enough", "AUTH-KEY", "SUPABASE_SECRET_KEY")
def _publishable(scene: Scene) -> Told | None:
    with scene.auth(scene.project.publishable_key) as admin:
        admin.check()
    return None


@auth("a key of another project", "AUTH-KEY", "SUPABASE_SECRET_KEY")
def _key(scene: Scene) -> Told | None:
    with scene.auth("sb_secret_of_another_project") as admin:
        admin.check()
    return None


@auth("429 and 5xx are tried again", "AUTH-BUSY", "resume RUN")
def _busy(scene: Scene) -> Told | None:
    scene.project.faults.add(Fault(_USERS, times=1_000, status=429, body={"msg": "Request rate limit reached"}))
    with scene.auth() as admin:
        admin.check()
    return None


@auth("an error that is no JSON", "AUTH-API", "without a path")
def _page(scene: Scene) -> Told | None:
    scene.project.faults.add(Fault(_USERS, status=404, body="<html><h1>404 Not Found</h1></html>"))
    with scene.auth() as admin:
        admin.check()
    return None


@auth("no answer: RemoteProtocolError", "AUTH-UNREACHABLE", "resume RUN")
def _no_answer(scene: Scene) -> Told | None:
    scene.project.faults.add(Fault(_USERS, times=1_000, drop_answer=True))
    with scene.auth() as admin:
        admin.check()
    return None


@auth("a user whom something refers to is not deleted", "AUTH-DELETE", "delete that first")
def _kept(scene: Scene) -> Told | None:
    user = _somebody()
    with scene.auth() as admin:
        admin.create(user)
        scene.does(
            "CREATE TABLE public.of_users (id uuid REFERENCES auth.users); "
            f"INSERT INTO public.of_users VALUES ('{user.id}')"
        )
        try:
            admin.delete(user.id)
        finally:
            scene.does("DROP TABLE public.of_users")
    return None
