"""The stand-in's database: what its owner may do there is what a real project's login role was seen to be allowed."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from migrator_tui.demo.project.layout import lay_out
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database


@pytest.fixture
def owner(target: Target) -> Target:
    """The fresh database with a project's layout, as its owner."""
    return lay_out(target)


def refused(owner: Target, statement: str) -> str:
    """SQLSTATE of a statement that the owner may not."""
    with connect(owner) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode())
    return caught.value.sqlstate or ""


def test_the_owner_is_no_superuser_but_passes_by_row_security(owner: Target) -> None:
    with connect(owner) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True, True, True, True)


def test_the_owner_may_set_session_replication_role_and_other_roles(owner: Target) -> None:
    with connect(owner, autocommit=False) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for role in ("anon", "authenticated", "service_role"):
            connection.execute(f"SET LOCAL ROLE {role}".encode())
            connection.execute("RESET ROLE")


@pytest.mark.parametrize("admin", ["supabase_auth_admin", "supabase_storage_admin"])
def test_the_owner_is_no_member_of_the_admins(owner: Target, admin: str) -> None:
    assert refused(owner, f"SET ROLE {admin}") == "42501"


def test_the_owner_inserts_users_and_identities(owner: Target) -> None:
    id = uuid.uuid4()
    with connect(owner) as connection:
        connection.execute("INSERT INTO auth.users (id, email) VALUES (%s, 'a@example.org')", (id,))
        connection.execute(
            "INSERT INTO auth.identities (provider_id, user_id, identity_data, provider)"
            " VALUES (%s, %s, '{\"email\": \"A@example.org\"}', 'email')",
            (str(id), id),
        )
        assert connection.execute("SELECT email FROM auth.identities").fetchall() == [("a@example.org",)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE auth.mine (id int)",
        "CREATE TABLE storage.mine (id int)",
        "CREATE FUNCTION auth.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE auth.users ADD COLUMN mine int",
        "ALTER TABLE storage.objects ADD COLUMN mine int",
        "ALTER TABLE storage.objects DISABLE ROW LEVEL SECURITY",
        "CREATE INDEX mine ON storage.objects (owner_id)",
        "DROP TABLE storage.objects",
        "DROP TABLE auth.sessions",
        "ALTER TABLE auth.users DISABLE TRIGGER ALL",
    ],
)
def test_the_owner_changes_nothing_of_the_managed_schemas(owner: Target, statement: str) -> None:
    assert refused(owner, statement) == "42501"


@pytest.mark.parametrize("table", ["buckets", "objects"])
def test_rows_of_storage_are_not_deleted_by_sql(owner: Target, table: str) -> None:
    assert refused(owner, f"DELETE FROM storage.{table}") == "42501"


def test_the_owner_makes_policies_and_triggers_on_objects_and_users(owner: Target) -> None:
    with connect(owner) as connection:
        connection.execute("CREATE POLICY mine ON storage.objects FOR SELECT TO authenticated USING (true)")
        connection.execute("CREATE FUNCTION hello() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        for table in ("storage.objects", "auth.users"):
            connection.execute(
                f"CREATE TRIGGER t AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION hello()".encode()
            )
            connection.execute(f"DROP TRIGGER t ON {table}".encode())
        connection.execute("DROP POLICY mine ON storage.objects")


def test_the_owner_refers_to_users_and_sets_an_objects_owner(owner: Target) -> None:
    with connect(owner) as connection:
        connection.execute("CREATE TABLE profile (id uuid PRIMARY KEY REFERENCES auth.users)")
        connection.execute("INSERT INTO storage.buckets (id, name) VALUES ('b', 'b')")
        connection.execute("INSERT INTO storage.objects (bucket_id, name) VALUES ('b', 'a')")
        connection.execute("UPDATE storage.objects SET owner_id = 'x'")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_new_tables_have_no_grants(owner: Target, role: str) -> None:
    with connect(owner) as connection:
        connection.execute("CREATE TABLE mine (id int)")
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TABLE mine")


def test_service_role_cannot_read_users(owner: Target) -> None:
    with connect(owner) as connection:
        connection.execute("SET ROLE service_role")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TABLE auth.users")


def test_policies_see_the_user_of_the_claims(owner: Target) -> None:
    id = uuid.uuid4()
    with connect(owner, autocommit=False) as connection:
        connection.execute(
            "SELECT set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
            (f'{{"sub": "{id}", "role": "authenticated", "email": "a@example.org"}}',),
        )
        row = connection.execute("SELECT auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub'").fetchone()
    assert row == (id, "authenticated", "a@example.org", str(id))


def test_nobody_is_the_user_without_claims(owner: Target) -> None:
    with connect(owner) as connection:
        assert connection.execute("SELECT auth.uid()").fetchone() == (None,)


def test_it_may_be_laid_out_again(target: Target, owner: Target) -> None:
    assert lay_out(target) == owner


def test_several_databases_are_laid_out_at_once(own_server: EmbeddedServer) -> None:
    """On a server of its own, where none of the roles is there yet: it takes seconds to start."""
    databases = [fresh_database(own_server.target(), f"d{number}") for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lay_out, databases))) == 2
