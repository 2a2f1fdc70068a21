"""The demo's proof: somebody whose account was moved logs in, and opens a file that was."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx

from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.demo.sample_app import MISSING_DOCUMENT, SampleApp
from migrator_tui.postgres.connect import connect

SECONDS = 60
"""That the signed address is good for."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was tried: what, and whether it went well."""

    what: str
    ok: bool


def prove(project: Project, app: SampleApp) -> Iterator[Proof]:
    """Log in with a password of the old application, then open that person's file through a signed address.

    Args:
        app: The application that was moved to ``project``; its passwords are known.
    """
    with closing(sqlite3.connect(app.database)) as connection:
        owner, address, kept, document, sha256 = connection.execute(
            "SELECT u.id, u.email, u.password_hash, d.id, d.sha256 FROM users u JOIN documents d ON d.owner_id = u.id "
            "WHERE d.id <> ? ORDER BY d.id LIMIT 1",
            (MISSING_DOCUMENT,),
        ).fetchone()
    with httpx.Client(base_url=project.api_url, timeout=30) as client:
        typed = passwords.password(passwords.HASHES.index(kept))
        answer = client.post(
            "/auth/v1/token",
            params={"grant_type": "password"},
            headers={"apikey": project.publishable_key},
            json={"email": address, "password": typed},
        )
        signed_in = answer.status_code == httpx.codes.OK
        yield Proof(f"{address}, user {owner} of the SQLite file, logs in with the old password", signed_in)
        with connect(project.superuser) as target:
            row = target.execute("SELECT path FROM public.documents WHERE id = %s", (document,)).fetchone()
        key = str(row[0]) if row else ""
        secret = project.secret_key.reveal()
        answer = client.post(
            f"/storage/v1/object/sign/documents/{key}",
            headers={"apikey": secret, "Authorization": f"Bearer {secret}"},
            json={"expiresIn": SECONDS},
        )
        opened = b""
        if answer.status_code == httpx.codes.OK:
            opened = client.get(f"/storage/v1{answer.json()['signedURL']}").content
        same = hashlib.sha256(opened).hexdigest() == sha256
        yield Proof(f"documents/{key} opens through a signed address, its bytes unchanged", same)
