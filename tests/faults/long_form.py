"""The long form of the kill tests, by hand: ten moments of loading the demo's big database, killed and gone on with.

``python -m tests.faults.long_form --rows 1000000`` prints a table, one line a moment.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from migrator_tui import locations
from migrator_tui.convert.identifiers import quote, quote_sqlite
from migrator_tui.demo import sample_app
from migrator_tui.migration.run_folder import all_runs
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from tests.faults.observing import Connection, committed, until
from tests.migration.running import rows, value

PROGRAM = (sys.executable, "-m", "migrator_tui")
MOMENTS = 10
ROWS_AT_SCALE_1 = 4_900
PATIENCE = 3_600.0
LINE = "{:>6}  {:>10}  {:>10}  {:>8}  {:>10}  {}"


def main() -> int:
    """Run all moments; 0 if every table came out as without a kill, and no row was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the source, about")
    wanted = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="mt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ[locations.HOME_VARIABLE] = str(folder / "home")
        app = sample_app.build(folder / "app", scale=wanted / ROWS_AT_SCALE_1, files=False)
        with EmbeddedServer.start(folder / "pg") as server:
            return _all(app.database, app.decisions, server.target())


def _all(source: Path, decisions: Path, server: Target) -> int:
    print(LINE.format("moment", "killed at", "kept then", "resume s", "differing", "unaccounted tables"), flush=True)
    whole = fresh_database(server, "whole")
    _finish(_words("migrate", source, decisions, whole))
    with connect(whole) as connection:
        chunks = committed(connection)
        expected = _contents(connection)
    wrong = 0
    for moment in range(MOMENTS):
        at = moment * chunks // MOMENTS
        target = fresh_database(server, f"moment_{moment}")
        with connect(target) as connection:
            process = subprocess.Popen(
                _words("migrate", source, decisions, target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            until(
                lambda: (committed(connection) >= at and _begun(connection)) or process.poll() is not None,  # noqa: B023
                f"{at} chunks",
                seconds=PATIENCE,
            )
            process.send_signal(signal.SIGKILL)
            process.wait()
            kept = committed(connection)
            began = time.monotonic()
            _finish([*PROGRAM, "resume", all_runs()[0].run, "--plain", "--target", target.display])
            took = time.monotonic() - began
            found = _contents(connection)
            differing = sum(found.get(table) != content for table, content in expected.items())
            unaccounted = _unaccounted(connection, source)
            wrong += differing + unaccounted
        print(
            LINE.format(moment + 1, f"{at}/{chunks}", f"{kept}/{chunks}", f"{took:.1f}", differing, unaccounted),
            flush=True,
        )
        with connect(server) as connection:
            connection.execute(f"DROP DATABASE moment_{moment} WITH (FORCE)".encode())
    return 1 if wrong else 0


def _words(command: str, source: Path, decisions: Path, target: Target) -> list[str]:
    ends = ["--source", str(source), "--target", target.display, "--decisions", str(decisions)]
    return [*PROGRAM, command, *ends, "--yes", "--plain"]


def _finish(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def _begun(connection: Connection) -> bool:
    return bool(value(connection, "SELECT to_regclass('migrator.chunk') IS NOT NULL"))


def _contents(connection: Connection) -> dict[str, tuple[int, int]]:
    """Table → its rows, and a sum over what is in them."""
    names = rows(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    hashed = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM public"
    found = {name: rows(connection, f"{hashed}.{quote(name)} t")[0] for (name,) in names}
    return {name: (int(count), int(total)) for name, (count, total) in found.items()}


def _unaccounted(connection: Connection, source: Path) -> int:
    """Tables that do not have each row of the source once, on the target or in the quarantine."""
    left = dict(rows(connection, "SELECT tbl, count(*) FROM migrator.quarantine GROUP BY tbl"))
    with closing(sqlite3.connect(source)) as file:
        return sum(
            file.execute(f"SELECT count(*) FROM {quote_sqlite(table)}").fetchone()[0] != count + left.get(table, 0)
            for table, (count, _) in _contents(connection).items()
        )


if __name__ == "__main__":
    raise SystemExit(main())
