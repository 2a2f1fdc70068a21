"""Targets that an application's ``.env`` files name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from migrator_tui.model.errors import UsageError
from migrator_tui.postgres.target import Target

FILES = (".env", ".env.local", ".env.production", ".env.production.local")
KEYS = ("SUPABASE_DB_URL", "DIRECT_URL", "DATABASE_URL", "POSTGRES_URL_NON_POOLING", "POSTGRES_URL")
"""As frameworks and Supabase's own guides call them; those that avoid the transaction pooler come first."""


@dataclass(frozen=True, slots=True)
class Named:
    """A Postgres URL in a file; its password is in the target."""

    file: Path
    key: str
    target: Target


def targets(folder: Path) -> Iterator[Named]:
    """Each target once, by the first name it has. What cannot be read, or is no Postgres URL, is passed over."""
    seen = set()
    for name in FILES:
        try:
            # Without the environment's values: a file that says ${HOME_OF_SOMETHING} is not ours to complete.
            values = dotenv_values(folder / name, interpolate=False)
        except (OSError, UnicodeDecodeError):
            continue
        for key in KEYS:
            text = (values.get(key) or "").replace("postgresql+psycopg://", "postgresql://")
            if not text.startswith(("postgresql://", "postgres://")):
                continue
            try:
                target = Target.parse(text)
            except UsageError:
                continue
            if target.display not in seen:
                seen.add(target.display)
                yield Named(folder / name, key, target)
