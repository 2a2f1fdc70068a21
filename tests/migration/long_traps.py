"""The long form of the generated databases: ``python -m tests.migration.long_traps --examples 5000``.

One embedded server; each example migrates there and back, and is forgotten. Failures are counted by what they say, each
with the smallest database that showed it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from migrator_tui import locations
from migrator_tui.postgres.server import fresh_database
from tests.conftest import configured
from tests.migration.there_and_back import Journey
from tests.migration.trap_databases import Drawn, databases


class Over(BaseException):
    """The time is up; hypothesis lets it through."""


def main() -> int:
    """Run it, and say what it came to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--tables", type=int, default=3, help="tables of an example, at most")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    os.environ[locations.HOME_VARIABLE] = str(folder / "home")
    server = configured(folder / "pg", fsync=False)
    began = time.monotonic()
    count: Counter[str] = Counter()
    smallest: dict[str, tuple[str, str]] = {}
    try:
        journey = Journey(fresh_database(server.target(), "generated"), folder)

        @seed(asked.seed)
        @settings(
            max_examples=asked.examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(databases(asked.tables))
        def examples(drawn: Drawn) -> None:
            if time.monotonic() - began > asked.seconds:
                raise Over
            try:
                count[journey.there_and_back(drawn)] += 1
                count["examples"] += 1
                count["tables"] += len(drawn.statements)
                count["rows"] += len(drawn.rows)
            except Exception as error:
                said = re.sub(r"\d+", "9", f"{type(error).__name__}: {error}"[:110])
                count["examples"] += 1
                count["failures"] += 1
                count[f"failed {said}"] += 1
                if said not in smallest or len(drawn.script()) < len(smallest[said][0]):
                    smallest[said] = (drawn.script(), f"{error}\n" + "".join(traceback.format_exception(error)[-3:]))

        with contextlib.suppress(Over):
            examples()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for said, (script, why) in smallest.items():
        print(f"=== {said}\n{why[:1500]}\n{script[:3000]}\n")
    for what, times in count.most_common():
        print(f"{times:7,} {what}")
    print(f"seed {asked.seed}, {time.monotonic() - began:.0f} s")
    return 1 if count["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
