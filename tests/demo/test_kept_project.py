"""The demo's project is the same one whenever it is opened, until the demo is made anew."""

from __future__ import annotations

from pathlib import Path

import httpx

from migrator_tui.demo.kept_project import PROJECT, SERVER, StandIn, stand_in_beside
from migrator_tui.postgres.connect import Target, connect


def users(stand_in: StandIn, target: Target) -> tuple[list[str], str]:
    """E-mail addresses of the project's users, and the role that owns its database."""
    owner, api = stand_in.open(target)
    with connect(owner) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    listed = httpx.get(f"{api.auth}/admin/users", headers=api.headers()).raise_for_status().json()["users"]
    return [user["email"] for user in listed], row[0] if row else ""


def test_what_was_made_in_it_is_there_when_it_is_opened_again(tmp_path: Path, target: Target) -> None:
    first = StandIn(tmp_path / PROJECT)
    _, api = first.open(target)
    made = {"email": "ann@example.org", "password": "correct horse", "email_confirm": True}
    httpx.post(f"{api.auth}/admin/users", headers=api.headers(), json=made).raise_for_status()
    first.close()
    again = stand_in_beside(tmp_path / SERVER)
    assert again is not None
    try:
        assert users(again, target) == (["ann@example.org"], "project_owner")
        assert again.open(target)[1].key == api.key
    finally:
        again.close()


def test_only_a_demos_server_has_one_beside_it(tmp_path: Path) -> None:
    assert stand_in_beside(tmp_path / SERVER) is None
