"""Users of tests, and a project's database as its owner sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import psycopg

from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.model.project import UsersPlan, UsersScope
from migrator_tui.supabase.auth_users import AuthUser, SourceUser, users_of

NAMESPACE = "6f1c52c0-3f0e-5d3b-9d7c-2f7b8c1f0a11"
PLAN = UsersPlan(UsersScope("users", phone="phone", password_hash="hash", role="role", name="name"), NAMESPACE)

PROFILES = """
    CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text);
    CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $$ BEGIN
            INSERT INTO public.profiles (id, name) VALUES (NEW.id, NEW.raw_user_meta_data ->> 'full_name');
            RETURN NEW;
        END $$;
    CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
        FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
"""
"""The customary trigger of Supabase's guides."""


def made_of(*rows: SourceUser) -> Sequence[AuthUser]:
    """The users of some rows."""
    return users_of(rows, PLAN).users


def people(count: int = 3) -> Sequence[AuthUser]:
    """Users with an address and a password each, the first with a phone number too."""
    return made_of(
        *(
            SourceUser(
                number,
                number,
                f"Person{number}@Example.org",
                "+4915112345" if number == 1 else None,
                passwords.HASHES[number % len(passwords.HASHES)],
                "member",
                f"Person {number}",
                "2024-03-01 10:20:30",
            )
            for number in range(1, count + 1)
        )
    )


def rows_of(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    return connection.execute(query.encode()).fetchall()


def sign_in(project: Project, email: str, password: str) -> int:
    """The status of Auth's answer to a person who signs in."""
    answer = httpx.post(
        f"{project.api_url}/auth/v1/token",
        params={"grant_type": "password"},
        json={"email": email, "password": password},
        headers={"apikey": project.publishable_key},
    )
    return answer.status_code
