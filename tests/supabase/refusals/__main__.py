"""``python -m tests.supabase.refusals``: each refusal provoked, and what a person is shown.

A line a refusal: by what it is known, the id, the message, the next step. Exit code 1 where one came otherwise than
the tests expect.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from migrator_tui import locations
from migrator_tui.postgres.server import fresh_database
from tests.conftest import configured
from tests.supabase.refusals.known import KNOWN, REFUSALS
from tests.supabase.refusals.words import NotHere, Scene


def main() -> int:
    """Show all of them."""
    wrong = absent = 0
    with tempfile.TemporaryDirectory(prefix="mt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ[locations.HOME_VARIABLE] = str(folder / "home")
        os.environ["HOME"] = name
        with (
            configured(folder / "pg", fsync=False) as server,
            Scene(fresh_database(server.target(), "production"), folder) as scene,
        ):
            for refusal in REFUSALS:
                print(f"\n{refusal.area}: {refusal.named}")
                try:
                    told = refusal.shown(scene)
                except AssertionError as nothing:
                    wrong += 1
                    print(f"  {nothing}   WRONG")
                    continue
                except NotHere as why:
                    absent += 1
                    print(f"  not provoked here: {why}")
                    continue
                right = told.id == refusal.id and refusal.next_step in told.hint
                wrong += not right
                print(f"  {told.id}  {told.message}\n  → {told.hint}{'' if right else '   WRONG'}")
    known = sum(len(names) for names in KNOWN.values())
    print(
        f"\n{known} known, {len(REFUSALS) - absent} provoked, {absent} not here, {wrong} told otherwise than expected"
    )
    return 1 if wrong or known != len(REFUSALS) else 0


if __name__ == "__main__":
    sys.exit(main())
