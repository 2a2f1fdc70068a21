"""This program beside DuckDB and pgloader: the same rows, the same server, the same minutes.

Every round gives each contender a fresh database and runs it as a process of its own, in alternating order. What counts
are the ratios within a round; absolute numbers say more about the machine. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from migrator_tui.demo import sample_app
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database

OURS = "migrator-tui"
DATABASE = "migrator_tui_benchmark"

DUCKDB = """
import importlib, sys
from pathlib import Path
import duckdb
source, target, *tables = sys.argv[1:]
connection = duckdb.connect()
for name in ("sqlite_scanner", "postgres_scanner"):
    try:
        wheel = importlib.import_module(f"duckdb_extension_{name}")
        connection.load_extension(str(next(Path(wheel.__path__[0]).rglob("*.duckdb_extension"))))
    except ImportError:
        connection.load_extension(name)
if source:
    connection.execute(f"ATTACH '{source}' AS source (TYPE sqlite, READ_ONLY)")
    connection.execute(f"ATTACH '{target}' AS target (TYPE postgres)")
    for table in tables:
        connection.execute(f'CREATE TABLE target.public."{table}" AS SELECT * FROM source."{table}"')
print(duckdb.__version__)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one contender: seconds of the whole process, its peak memory in MB, seconds by stage if it tells."""

    seconds: float
    memory: float
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Contender:
    """A program to run. ``words`` makes its command line; ``does`` says what it does, because they differ."""

    name: str
    version: str
    does: str
    words: Callable[[Target], list[str]]


def main() -> int:
    """Run the rounds and print the ratios."""
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    try:
        source, rows = _source(folder, arguments.scale)
        with _server(arguments.target, folder) as server:
            contenders = _contenders(source, list(rows), folder, arguments.duckdb_python)
            _print_head(server, source, sum(rows.values()), contenders)
            rounds = [_round(n, contenders, server, rows, folder) for n in range(arguments.rounds)]
            with connect(server) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)".encode())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _print_ratios(rounds)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=100, help="1 is about 5,000 rows (default: 100)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", help="a Postgres URL whose role may create databases (default: an embedded server)")
    parser.add_argument("--duckdb-python", default=sys.executable, help="a Python that has duckdb and its extensions")
    return parser.parse_args()


def _source(folder: Path, scale: float) -> tuple[Path, dict[str, int]]:
    """The sample application without its trouble, so that every contender can load every row."""
    path = sample_app.build(folder / "app", scale=scale, files=False).database
    with closing(sqlite3.connect(path)) as connection:
        # SQLite's own replace() finds no NUL.
        connection.create_function("without_nul", 1, lambda text: text.replace("\0", " "), deterministic=True)
        connection.executescript(
            """
            UPDATE messages SET body = without_nul(body) WHERE instr(body, char(0));
            DELETE FROM messages WHERE recipient_id NOT IN (SELECT id FROM users);
            UPDATE users SET last_login = substr(last_login, 7, 4) || '-' || substr(last_login, 4, 2) || '-'
                || substr(last_login, 1, 2) || ' 00:00:00' WHERE last_login LIKE '__.__.____';
            UPDATE users SET last_login = replace(replace(last_login, 'T', ' '), 'Z', '');
            DROP INDEX activities_by_title;  -- on an expression, at which pgloader 3.6.9 ends
            """
        )
        connection.execute("VACUUM")
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
        )
        rows = {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in found.fetchall()
        }
    return path, rows


@contextmanager
def _server(url: str | None, folder: Path) -> Iterator[Target]:
    if url is None:
        with EmbeddedServer.start(folder / "pg") as server:
            yield server.target()
        return
    password = os.environ.get("PGPASSWORD")
    from migrator_tui.model.secret import Secret

    target = Target.parse(url)
    yield replace(target, password=Secret(password)) if password and target.password is None else target


def _contenders(source: Path, tables: list[str], folder: Path, duckdb_python: str) -> list[Contender]:
    found = [
        Contender(
            OURS,
            version("migrator-tui"),
            "snapshot, types from the values, rows, keys, indexes, checks, every cell compared, published",
            lambda target: [
                *(sys.executable, "-m", "migrator_tui", "migrate", "--yes", "--accept-lossy", "--json"),
                *("--source", str(source), "--target", target.display),
            ],
        )
    ]
    # Extensions are found only where they are installed: without any table, the script stops after loading them.
    tried = subprocess.run([duckdb_python, "-c", DUCKDB, "", ""], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        found.append(
            Contender(
                "DuckDB",
                tried.stdout.strip(),
                "rows",
                lambda target: [duckdb_python, "-c", DUCKDB, str(source), target.conninfo(), *tables],
            )
        )
    else:
        print(f"not here: DuckDB with its sqlite and postgres extensions in {duckdb_python}")
    pgloader = shutil.which("pgloader")
    if pgloader:
        said = subprocess.run([pgloader, "--version"], capture_output=True, text=True, check=False).stdout
        found.append(
            Contender(
                "pgloader",
                said.splitlines()[0].rpartition(" ")[2].strip('"'),
                "rows, keys, indexes",
                lambda target: [pgloader, "--quiet", str(_load_file(folder, source, target))],
            )
        )
    else:
        print("not here: pgloader")
    return found


def _load_file(folder: Path, source: Path, target: Target) -> Path:
    host = f"unix:{target.host}" if target.host.startswith("/") else target.host
    secret = f":{target.password.reveal()}" if target.password else ""
    path = folder / "sample.load"
    path.touch(mode=0o600)
    path.write_text(
        f"LOAD DATABASE FROM sqlite://{source}\n"
        f"INTO postgresql://{target.user}{secret}@{host}:{target.port}/{target.database}\n"
        "WITH create tables, create indexes, foreign keys, reset sequences;\n"
    )
    return path


def _round(
    number: int, contenders: list[Contender], server: Target, rows: dict[str, int], folder: Path
) -> dict[str, Measured]:
    measured: dict[str, Measured] = {}
    shift = number % len(contenders)
    for contender in contenders[shift:] + contenders[:shift]:
        target = fresh_database(server, DATABASE)
        one = _run(contender.words(target), target, folder)
        _require_rows(contender, target, rows)
        measured[contender.name] = one
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in one.stages.items())
        print(
            f"round {number + 1}  {contender.name:<13} {one.seconds:7.2f} s  {one.memory:6.0f} MB  {stages}", flush=True
        )
    return measured


def _run(words: list[str], target: Target, folder: Path) -> Measured:
    env = os.environ | {"MIGRATOR_TUI_HOME": str(folder / "home")}
    if target.password:
        env["PGPASSWORD"] = target.password.reveal()
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        begin = time.perf_counter()
        process = subprocess.Popen(words, env=env, stdout=stdout, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words[0]} failed:\n{err.read_text()}\n{out.read_text()}")
    stages = {}
    if words[1:3] == ["-m", "migrator_tui"]:
        stages = {stage["name"]: stage["seconds"] for stage in json.loads(out.read_text())["stages"]}
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Measured(seconds, usage.ru_maxrss / unit, stages)


def _require_rows(contender: Contender, target: Target, rows: dict[str, int]) -> None:
    """A contender that lost rows was not fast."""
    with connect(target) as connection:
        for table, expected in rows.items():
            (found,) = connection.execute(f'SELECT count(*) FROM public."{table}"'.encode()).fetchone() or (0,)
            if found != expected:
                raise SystemExit(f"{contender.name} brought {found} of {expected} rows of {table}.")


def _print_head(server: Target, source: Path, rows: int, contenders: list[Contender]) -> None:
    with connect(server) as connection:
        postgres = connection.info.parameter_status("server_version")
    print(f"{rows:,} rows, {source.stat().st_size / 1e6:,.1f} MB; PostgreSQL {postgres}, Python "
          f"{platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}")  # fmt: skip
    packages = ("adbc-driver-sqlite", "adbc-driver-postgresql", "pyarrow", "psycopg")
    print(", ".join(f"{package} {version(package)}" for package in packages))
    for contender in contenders:
        print(f"  {contender.name} {contender.version}: {contender.does}")
    print(flush=True)


def _print_ratios(rounds: list[dict[str, Measured]]) -> None:
    print(f"\nmedian of {len(rounds)} rounds; each ratio is taken within a round, to the whole of {OURS} = 1")
    for name in rounds[0]:
        ratios = [one[name].seconds / one[OURS].seconds for one in rounds]
        print(f"  {name:<28} {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    for label, names in (("stage", ("stage",)), ("stage + check", ("stage", "check"))):
        ratios = [sum(one[OURS].stages[n] for n in names) / one[OURS].seconds for one in rounds]
        print(f"  {OURS}, {label:<14} {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    sys.exit(main())
