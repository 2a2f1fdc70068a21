"""The stand-in for a project, driven by the ``supabase`` package."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from migrator_tui.demo.project.project import Project
from tests.demo.project_clients import admin, client


@pytest.mark.parametrize("kind", ["secret", "service_jwt"])
def test_a_user_that_an_admin_made_is_listed_and_signs_in(project: Project, kind: str) -> None:
    users = client(project.api_url, getattr(project.keys, kind)).auth.admin
    made = users.create_user({"email": "Ada@Example.org", "password": "lovelace", "email_confirm": True}).user

    assert [(user.id, user.email) for user in users.list_users()] == [(made.id, "ada@example.org")]
    anyone = client(project.api_url, project.publishable_key)
    signed_in = anyone.auth.sign_in_with_password({"email": "ada@example.org", "password": "lovelace"})
    assert signed_in.user is not None
    assert signed_in.user.id == made.id


def test_a_file_goes_up_is_listed_and_comes_back(project: Project) -> None:
    admin(project).storage.create_bucket("docs")
    docs = admin(project).storage.from_("docs")
    docs.upload("a/b c.txt", b"hello", {"content-type": "text/plain"})

    (listed,) = docs.list("a")
    assert listed["name"] == "b c.txt"
    assert docs.download("a/b c.txt") == b"hello"


def test_a_signed_url_opens_without_a_key(project: Project) -> None:
    admin(project).storage.create_bucket("docs")
    docs = admin(project).storage.from_("docs")
    docs.upload("a.txt", b"hello")

    url = docs.create_signed_url("a.txt", 60)["signedURL"]
    assert url is not None
    assert httpx.get(url).content == b"hello"


def test_its_database_is_reached_directly_and_through_its_pooler(project: Project) -> None:
    password = project.target.password
    assert password is not None
    with project.pooler() as pooler:
        for url in (project.database_url, pooler.database_url(password.reveal())):
            with psycopg.connect(url) as connection:
                found = connection.execute("SELECT current_user::text, current_database()::text").fetchone()
            assert found == (project.target.user, project.target.database)
