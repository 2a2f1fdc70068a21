"""What Auth makes of rows that came by SQL, and of triggers on its tables."""

from __future__ import annotations

import uuid

import httpx
import psycopg
import pytest
from psycopg import sql

from migrator_tui.demo.project import password_hashes
from migrator_tui.demo.project.auth_users import TOKEN_COLUMNS
from migrator_tui.demo.project.project import Project
from migrator_tui.postgres.connect import connect
from tests.demo.project_clients import admin

PASSWORD = "correct horse"


def insert(project: Project, **changes: object) -> uuid.UUID:
    """A user by SQL, as supabase.md says that one must be, save for changes."""
    id = uuid.uuid4()
    row: dict[str, object] = dict.fromkeys(TOKEN_COLUMNS, "")
    row |= {"instance_id": uuid.UUID(int=0), "id": id, "aud": "authenticated", "role": "authenticated"}
    row |= {"email": "ada@example.org", "encrypted_password": password_hashes.new(PASSWORD)}
    row |= {"email_confirmed_at": "2020-01-01", "created_at": "2020-01-01", "updated_at": "2020-01-01", **changes}
    with connect(project.target) as connection:
        connection.execute(
            sql.SQL("INSERT INTO auth.users ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() for _ in row)
            ),
            list(row.values()),
        )
    return id


def sign_in(project: Project, email: str = "ada@example.org") -> httpx.Response:
    """What the password grant answers."""
    return httpx.post(
        f"{project.api_url}/auth/v1/token?grant_type=password",
        headers={"apikey": project.publishable_key},
        json={"email": email, "password": PASSWORD},
    )


def test_a_complete_row_signs_in(project: Project) -> None:
    id = insert(project)
    assert sign_in(project).json()["user"]["id"] == str(id)


@pytest.mark.parametrize("column", TOKEN_COLUMNS)
def test_a_token_column_that_is_null_fails_the_sign_in(project: Project, column: str) -> None:
    insert(project, **{column: None})
    answer = sign_in(project)
    assert (answer.status_code, answer.json()["msg"]) == (500, "Database error querying schema")


@pytest.mark.parametrize(
    "change", [{"instance_id": None}, {"aud": ""}, {"is_sso_user": True}, {"encrypted_password": ""}]
)
def test_a_row_that_is_not_found_or_has_no_password_is_refused(project: Project, change: dict[str, object]) -> None:
    insert(project, **change)
    assert sign_in(project).json()["error_code"] == "invalid_credentials"


def test_confirmed_at_and_an_identitys_address_cannot_be_inserted(project: Project) -> None:
    with pytest.raises(psycopg.errors.GeneratedAlways):
        insert(project, confirmed_at="2020-01-01")


def test_an_address_is_unique_save_for_single_sign_on(project: Project) -> None:
    insert(project)
    insert(project, is_sso_user=True)
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert(project)


def test_a_trigger_that_fails_fails_the_new_user(project: Project) -> None:
    with connect(project.target) as connection:
        connection.execute("CREATE TABLE profile (id uuid, name text NOT NULL)")
        connection.execute(
            "CREATE FUNCTION handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
            " INSERT INTO public.profile VALUES (NEW.id, NEW.raw_user_meta_data ->> 'name'); RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER made AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION handle_new_user()"
        )
    with pytest.raises(Exception, match="Database error creating new user"):
        admin(project).auth.admin.create_user({"email": "a@example.org"})
    admin(project).auth.admin.create_user({"email": "b@example.org", "user_metadata": {"name": "Bo"}})
    with connect(project.target) as connection:
        assert connection.execute("SELECT name FROM profile").fetchall() == [("Bo",)]
        assert connection.execute("SELECT email FROM auth.users").fetchall() == [("b@example.org",)]


def test_the_rows_of_an_admins_user_meet_the_conditions_of_signing_in(project: Project) -> None:
    made = admin(project).auth.admin.create_user({"email": "a@example.org", "email_confirm": True}).user
    with connect(project.target) as connection:
        row = connection.execute(
            "SELECT u.instance_id, u.aud, u.role, u.phone, i.provider_id, i.provider, i.email"
            " FROM auth.users u JOIN auth.identities i ON i.user_id = u.id"
        ).fetchone()
    assert row == (uuid.UUID(int=0), "authenticated", "authenticated", None, made.id, "email", "a@example.org")
