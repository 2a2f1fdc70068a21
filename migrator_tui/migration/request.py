"""What a person asked for: the request that a run is made from, and made again from when it is resumed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from migrator_tui.model.decisions import Decisions, OnConflict
from migrator_tui.model.plan import Scope
from migrator_tui.model.profile import CHUNK_BYTES

DEFAULT_WORKERS = 2
MAX_WORKERS = 4
"""Small Supabase projects have 60 connections in all; the knowledge of their pooler says four or fewer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A migration as asked for, without connection secrets.

    Attributes:
        accept_recommended: Take the recommended choice of each finding where it is lossless (``--yes``).
        accept_lossy: With that, also where it is lossy.
        confirm: Wait for a confirmation before publishing.
        plan_notes: What replaying a plan file found to be different.
        chunk_bytes: Bytes of values that one transaction loads, about. Kept with the run, so that a resumption divides
            the rows as before.
        per_cell: Rows that both ends changed are merged where they changed other columns (``sync``).
    """

    source: Path
    scope: Scope = field(default_factory=Scope)
    decisions: Decisions = field(default_factory=Decisions)
    on_conflict: OnConflict = OnConflict.ASK
    accept_recommended: bool = False
    accept_lossy: bool = False
    confirm: bool = False
    workers: int = DEFAULT_WORKERS
    command: str = "migrate"
    plan_notes: tuple[str, ...] = ()
    chunk_bytes: int = CHUNK_BYTES
    per_cell: bool = False

    def as_json(self) -> dict[str, Any]:
        """What the run's record keeps."""
        document: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Request:
        """The request of a record.

        Raises:
            pydantic.ValidationError: It was written by another version.
        """
        return _ADAPTER.validate_python(document)


_ADAPTER = TypeAdapter(Request)
