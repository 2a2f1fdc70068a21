"""A whole application with its users and files: moved to the stand-in for a project, killed, taken back, moved again.

``python -m tests.faults.project_long_form`` prints a line a step: 500 users and 300 files of 0 B to 40 MB, with names
that Storage does not take as they are. What is on the project is looked at from outside the program, and what is pulled
back is held beside the source: every row, every user and every file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg

from migrator_tui import locations
from migrator_tui.demo import passwords, sample_app
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.run_folder import all_runs
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from migrator_tui.supabase.auth_sql import TOKENS
from tests.migration.comparing_files import contents

PROGRAM = (sys.executable, "-m", "migrator_tui")
USERS, FILES = 500, 300
SIGNED_IN = 5
"""People who log in after each move."""
BIG = 40 * 1000 * 1000
RESUMABLE = 13 * 1000 * 1000
NAMES = (
    "with many  spaces.txt",
    "Ærøskøbing – 東京 😀.txt",
    "50% off #1 what?.txt",
    "brackets [1] {2} ~.txt",
    "/".join(["deep" * 12] * 6)[:290] + ".txt",
)
OUTSIDE = ("../secrets.txt", "/etc/passwd")
NUL, REPLACED = b"\0", "\N{REPLACEMENT CHARACTER}".encode()
"""One text of the sample has NULs, which Postgres does not take: they are replaced, as was decided."""

CONFIG = """\
profiles:
  project:
    source: {{sqlite: {source}, uploads: {uploads}}}
    target: {{database: "{database}", api: "{api}"}}
    users: {{table: users, id: id, email: email, password_hash: password_hash, role: role, via: {via}}}
    files:
      - {{column: documents.path, bucket: documents, public: false}}
"""


@dataclass(frozen=True)
class World:
    """The application, the project, and how the program is called."""

    folder: Path
    database: Path
    uploads: Path
    project: Project
    figures: list[str] = field(default_factory=list)

    def words(self, command: str, *more: str) -> list[str]:
        """A command line of the program."""
        return [*PROGRAM, command, *more, "--config", str(self.folder / "config.yaml"), "--profile", "project"]

    def run(self, command: str, *more: str) -> dict[str, Any]:
        """Run a command to its end; its JSON document.

        Raises:
            SystemExit: It failed.
        """
        done = subprocess.run([*self.words(command, *more), "--json"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(
                f"{command} {' '.join(more)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def killed(self, moment: Callable[[], bool]) -> str:
        """Begin a migration and kill it at a moment; the run's id.

        Raises:
            SystemExit: It ended before.
        """
        process = subprocess.Popen(
            [*self.words("migrate"), "--yes", "--accept-lossy", "--plain"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not moment():
            if process.poll() is not None:
                raise SystemExit("the migration ended before it could be killed")
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return all_runs()[0].run

    def look(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the project's database."""
        with connect(self.project.superuser) as connection:
            return connection.execute(query.encode()).fetchall()

    def count(self, table: str) -> int:
        """Rows of a table; 0 where it is not there."""
        try:
            return int(self.look(f"SELECT count(*) FROM {table}")[0][0])
        except psycopg.errors.UndefinedTable:
            return 0


def main() -> int:
    """Run all steps; 0 if all came out as expected."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="mt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ[locations.HOME_VARIABLE] = str(folder / "home")
        app = sample_app.build(folder / "app", scale=(USERS + 1) / 300)  # two of them share an address
        _furnish(app.database, app.uploads)
        with (
            EmbeddedServer.start(folder / "pg") as server,
            Project(fresh_database(server.target(), "production"), folder / "project") as project,
        ):
            world = World(folder, app.database, app.uploads, project)
            password = project.target.password
            os.environ["MIGRATOR_TUI_TARGET_PASSWORD"] = password.reveal() if password else ""
            os.environ["SUPABASE_SECRET_KEY"] = project.secret_key.reveal()
            return _steps(world)


def _furnish(database: Path, uploads: Path) -> None:
    """Exactly 300 files, one of them big, some with names of their own; three documents more have no file to move."""
    chance = random.Random(2026)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM documents WHERE id > ?", (FILES,))
        paths = [row[0] for row in connection.execute("SELECT path FROM documents ORDER BY id")]

        def replace(number: int, new: str, data: bytes | None) -> None:
            old = uploads / paths[number]
            content = old.read_bytes() if data is None else data
            old.unlink(missing_ok=True)
            place = uploads / new
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            connection.execute(
                "UPDATE documents SET path = ?, size = ? WHERE path = ?", (new, len(content), paths[number])
            )

        replace(20, "documents/big film.bin", chance.randbytes(BIG))
        replace(21, "documents/small film.bin", chance.randbytes(RESUMABLE))
        replace(22, "documents/nothing.bin", b"")
        for at, name in enumerate(NAMES):
            replace(30 + at, f"documents/{name}", None)
        for name in (*OUTSIDE, "documents/in place of the one that is missing.txt"):
            connection.execute(
                "INSERT INTO documents (owner_id, filename, path, mime, size, sha256, uploaded_at) "
                "SELECT owner_id, filename, ?, mime, size, sha256, uploaded_at FROM documents WHERE id = 50",
                (name,),
            )
        (uploads / name).write_bytes(b"here")


def _configure(world: World, via: str) -> None:
    text = CONFIG.format(
        source=world.database,
        uploads=world.uploads,
        database=world.project.target.display,
        api=world.project.api_url,
        via=via,
    )
    (world.folder / "config.yaml").write_text(text, "utf-8")


def _steps(world: World) -> int:
    wrong: list[str] = []

    def step(title: str, work: Callable[[], list[str]]) -> None:
        began = time.monotonic()
        world.figures.clear()
        problems = work()
        wrong.extend(problems)
        told = f": {', '.join(world.figures)}" if world.figures else ""
        print(f"{time.monotonic() - began:7.1f} s  {'ok   ' if not problems else 'WRONG'}  {title}{told}", flush=True)
        for problem in problems:
            print(f"           {problem}", flush=True)

    for via in ("api", "sql"):
        _configure(world, via)
        step(f"users by {via}: moved, compared from outside", lambda: _move(world))
        step("  compared once more by verify", lambda: _verify(world))
        step("  pulled back and held beside the source", lambda: _round_trip(world))
        step("  taken back", lambda: _take_back(world, all_runs()[0].run))
    _configure(world, "api")
    step("killed in the upload of 40 MB, gone on with", lambda: _killed_while_uploading(world))
    step("  taken back", lambda: _take_back(world, all_runs()[0].run))
    step("killed while users are made, gone on with", lambda: _killed_while_making_users(world))
    step("  taken back", lambda: _take_back(world, all_runs()[0].run))
    return 1 if wrong else 0


def _move(world: World) -> list[str]:
    world.run("migrate", "--yes", "--accept-lossy")
    return _compare(world)


def _verify(world: World) -> list[str]:
    told = world.run("verify", all_runs()[0].run)
    return [] if told["status"] == "succeeded" else [f"verify says {told['status']}"]


def _round_trip(world: World) -> list[str]:
    """A file and a folder that are pulled hold the rows and the files of the source, and Auth its users."""
    back = world.folder / "back.db"
    folder = world.folder / "back"
    world.run("pull", "--to", str(back), "--files", str(folder), "--replace")
    there, here = contents(back), contents(world.database)
    problems = [] if there.keys() == here.keys() else [f"tables: {sorted(here)} became {sorted(there)}"]
    for table, rows in here.items():
        expected = sorted((_as_decided(row) for row in rows), key=repr)
        if expected != there.get(table):
            problems.append(f"{table}: {len(set(expected) ^ set(there.get(table, ())))} rows differ")
    with closing(sqlite3.connect(back)) as connection:
        # Of two rows that share an address the first became the user.
        people = dict(connection.execute("SELECT lower(email), password_hash FROM users ORDER BY id DESC"))
        paths = [row[0] for row in connection.execute("SELECT path FROM documents")]
    of_auth = dict(world.look("SELECT email, encrypted_password FROM auth.users"))
    problems += [] if people == of_auth else ["the users pulled back are not those of Auth"]
    original = {path: _hash(world.uploads / path) for path in paths if _is_moved(world, path)}
    pulled = {str(path.relative_to(folder)): _hash(path) for path in folder.rglob("*") if path.is_file()}
    problems += [] if original == pulled else [f"{len(original.items() ^ pulled.items())} files differ"]
    size = sum((world.uploads / path).stat().st_size for path in original)
    world.figures.append(
        f"{len(people)} users, {sum(map(len, here.values())):,} rows, {len(pulled)} files of {size / 1e6:.1f} MB"
    )
    return problems


def _as_decided(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of storage classes and values, with the NULs of its texts replaced."""
    cells = zip(row[::2], row[1::2], strict=True)
    kept = ((kind, cell.replace(NUL, REPLACED) if kind == b"text" else cell) for kind, cell in cells)
    return tuple(part for pair in kept for part in pair)


def _is_moved(world: World, path: str) -> bool:
    return path not in OUTSIDE and (world.uploads / path).is_file()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _killed_while_uploading(world: World) -> list[str]:
    world.project.faults.clear()
    world.project.latency = 0.02

    def parts() -> int:
        return len(world.project.faults.seen(".*resumable", "PATCH"))

    run = world.killed(lambda: parts() >= 4)
    sent = parts()
    world.project.latency = 0.0
    world.run("resume", run, "--yes", "--accept-lossy")
    whole = -(-BIG // (6 << 20)) + -(-RESUMABLE // (6 << 20))
    total = parts()
    world.figures.append(f"{total} parts were sent, {sent} of them before the kill, {whole} are needed")
    again = [f"{total} parts were sent, {sent} before the kill; {whole} are needed"] if total > whole + 2 else []
    return again + _compare(world)


def _killed_while_making_users(world: World) -> list[str]:
    run = world.killed(lambda: world.count("auth.users") >= 100)
    world.figures.append(f"killed at {world.count('auth.users')} users")
    world.run("resume", run, "--yes", "--accept-lossy")
    return _compare(world)


def _take_back(world: World, run: str) -> list[str]:
    """Those who signed in since are kept and named; nothing else is left."""
    told = world.run("rollback", run)
    kept = [line for line in told.get("kept_edits", ()) if "signed in since" in line]
    left = {name: world.count(name) for name in ("auth.users", "storage.objects", "storage.buckets")}
    tables = world.look("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")[0][0]
    expected = {"auth.users": SIGNED_IN}
    problems = [f"{n} rows are left in {name}" for name, n in left.items() if n != expected.get(name, 0)]
    problems += [f"{len(kept)} users are told to be kept"] if len(kept) != SIGNED_IN else []
    with connect(world.project.superuser) as connection:
        connection.execute("DELETE FROM auth.users")
    return problems + ([f"{tables} tables are left in public"] if tables else [])


def _compare(world: World) -> list[str]:
    """What is on the project beside what is on disk, by queries and downloads of this script's own."""
    with closing(sqlite3.connect(world.database)) as connection:
        addresses = {row[0].lower() for row in connection.execute("SELECT email FROM users")}
        hashes = dict(connection.execute("SELECT lower(email), password_hash FROM users"))
        paths = {row[0]: row[1] for row in connection.execute("SELECT path, sha256 FROM documents")}
        (people,) = connection.execute("SELECT count(*) FROM users").fetchone()
    problems = []
    made = {row[0]: row[1] for row in world.look("SELECT email, id FROM auth.users")}
    if set(made) != addresses:
        problems.append(f"{len(addresses)} addresses, {len(made)} users of Auth")
    for address in sorted(hashes)[:SIGNED_IN]:
        number = passwords.HASHES.index(hashes[address])
        answer = httpx.post(
            f"{world.project.api_url}/auth/v1/token",
            params={"grant_type": "password"},
            headers={"apikey": world.project.publishable_key},
            json={"email": address, "password": passwords.password(number)},
        )
        if answer.status_code != httpx.codes.OK:
            problems.append(f"{address} cannot sign in: {answer.text[:200]}")
    orphans = {
        # Of rows that share an address one becomes a user; the others stay in the table, as was decided.
        "users": "SELECT count(*) FROM users u LEFT JOIN auth.users a ON a.id = u.id WHERE a.id IS NULL "
        "AND lower(u.email) NOT IN (SELECT email FROM auth.users)",
        "messages": "SELECT count(*) FROM messages m LEFT JOIN users u ON u.id = m.sender_id WHERE u.id IS NULL",
        "documents": "SELECT count(*) FROM documents d LEFT JOIN users u ON u.id = d.owner_id WHERE u.id IS NULL",
        "enrolments": "SELECT count(*) FROM enrolments e LEFT JOIN users u ON u.id = e.user_id WHERE u.id IS NULL",
    }
    # Each condition is one that shut imported users out; as many identities as users, so nobody was made twice.
    shut_out = " OR ".join(f"u.{token} IS NULL" for token in TOKENS)
    conditions = {
        "have a token that is NULL": f"SELECT count(*) FROM auth.users u WHERE {shut_out}",
        "are of another instance, audience or role": "SELECT count(*) FROM auth.users WHERE aud <> 'authenticated' "
        "OR role <> 'authenticated' OR instance_id <> '00000000-0000-0000-0000-000000000000' OR is_sso_user",
        "have an address in upper case, or an empty number": "SELECT count(*) FROM auth.users "
        "WHERE email <> lower(email) OR phone = ''",
        "are not confirmed": "SELECT count(*) FROM auth.users WHERE email_confirmed_at IS NULL",
        "have not one identity of their own": "SELECT count(*) FROM auth.users u WHERE 1 <> (SELECT count(*) "
        "FROM auth.identities i WHERE i.user_id = u.id AND i.provider = 'email' AND i.provider_id = u.id::text "
        "AND i.identity_data ->> 'sub' = u.id::text AND i.identity_data ->> 'email' = u.email)",
    }
    for what, query in conditions.items():
        if (count := world.look(query)[0][0]) != 0:
            problems.append(f"{count} users {what}")
    world.figures.append(f"{len(made)} users of Auth, {world.count('storage.objects')} objects")
    for table, query in orphans.items():
        if (count := world.look(query)[0][0]) != 0:
            problems.append(f"{table}: {count} rows of nobody")
    if world.count("users") > people:
        problems.append(f"{world.count('users')} users, {people} in the source")
    return problems + _compare_files(world, paths)


def _compare_files(world: World, paths: dict[str, str]) -> list[str]:
    there = {path for path in paths if _is_moved(world, path)}
    stored = {row[0] for row in world.look("SELECT name FROM storage.objects WHERE bucket_id = 'documents'")}
    problems = [] if len(stored) == len(there) else [f"{len(there)} files, {len(stored)} objects"]
    by_id = {row[0]: row[1] for row in world.look("SELECT id, path FROM documents")}
    headers = {
        "apikey": world.project.secret_key.reveal(),
        "Authorization": f"Bearer {world.project.secret_key.reveal()}",
    }
    with closing(sqlite3.connect(world.database)) as connection:
        sources = dict(connection.execute("SELECT id, path FROM documents"))
    with httpx.Client(base_url=world.project.api_url, headers=headers, timeout=60) as client:
        for number, path in sources.items():
            if path not in there:
                continue
            key = by_id.get(number, "")
            if key not in stored:
                problems.append(f"document {number}: {key!r} is no object")
                continue
            answer = client.get(f"/storage/v1/object/documents/{quote(key)}")
            if hashlib.sha256(answer.content).hexdigest() != _hash(world.uploads / path):
                problems.append(f"document {number}: {key!r} has other bytes ({answer.status_code})")
    return problems


if __name__ == "__main__":
    raise SystemExit(main())
