"""Clauses of a CREATE TABLE that Postgres has no place for, or that SQLite itself does not heed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator_tui.model.findings import Finding
from migrator_tui.model.schema import Table

_CONFLICT = re.compile(r"\bON\s+CONFLICT\s+(REPLACE|IGNORE|FAIL|ROLLBACK)\b", re.IGNORECASE)
_MATCH = re.compile(r"\bMATCH\s+(FULL|PARTIAL)\b", re.IGNORECASE)


def findings(table: Table) -> Iterator[Finding]:
    """What the statement says and the target does not do."""
    name = table.name.name
    if words := sorted({found.upper() for found in _CONFLICT.findall(table.sql)}):
        message = f"{name}: ON CONFLICT {', '.join(words)} is not carried; a row that breaks the constraint is refused."
        yield Finding("CONFLICT-NOT-CARRIED", message, table=name, samples=(table.sql,))
    if words := sorted({found.upper() for found in _MATCH.findall(table.sql)}):
        message = f"{name}: MATCH {', '.join(words)} is carried as MATCH SIMPLE, which is how SQLite reads it."
        yield Finding("FK-MATCH", message, table=name, samples=(table.sql,))
