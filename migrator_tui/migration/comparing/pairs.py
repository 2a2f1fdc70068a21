"""One object on both sides, and how the two stand to one another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from migrator_tui.model.findings import Finding


class Standing(StrEnum):
    """How the two sides of an object stand to one another."""

    SAME = "same"
    CONVERTED = "converted"
    LEFT_OUT = "left out"
    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"

    @property
    def differs(self) -> bool:
        """Neither equal, nor equal by conversion, nor left out by the person's own word."""
        return self in (Standing.MISSING, Standing.EXTRA, Standing.CHANGED)


@dataclass(frozen=True, slots=True)
class Pair:
    """One object on both sides.

    Attributes:
        object: ``table``, ``column``, ``primary key``, ``unique``, ``foreign key``, ``check``, ``index``,
            ``sequence``, ``trigger``, ``view`` or ``enum``.
        name: ``users.email``; the table alone for a table.
        table: Source table it belongs to (the target's for an extra one); empty for a view or enum type.
        source, target: How each side declares it, None where it is not there.
        why: One line that says what the standing means here.
        planned: How the target declares it after a migration, None where the plan does not create it.
        implied: It is missing for no other reason than that its whole table is.
        candidate: The object of the other side that looks the same under another name.
    """

    object: str
    name: str
    table: str
    standing: Standing
    source: str | None
    target: str | None
    why: str = ""
    planned: str | None = None
    implied: bool = False
    candidate: str | None = None


class NotCarried:
    """What findings say of the objects that the plan does not carry."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._columns: dict[tuple[str, str], list[Finding]] = {}
        self._objects: dict[tuple[str, str | None, str | None], str] = {}
        self._tables: dict[str, str] = {}
        for finding in findings:
            kind, _, rest = finding.id.partition("-NOT-CARRIED")
            if rest or kind == finding.id:
                if finding.id != "FK-PARENT":
                    continue
                kind = "FK"
            if kind == "TABLE" and finding.table:
                self._tables[finding.table] = finding.message
            elif finding.column and finding.table and kind != "FK":
                self._columns.setdefault((finding.table, finding.column), []).append(finding)
            self._objects.setdefault((kind, finding.table, finding.object), finding.message)
            if kind == "FK":
                self._objects.setdefault((kind, finding.table, finding.column), finding.message)

    def table(self, name: str) -> str:
        """Why a table is not carried; empty where nothing is said."""
        return self._tables.get(name, "")

    def column(self, table: str, column: str) -> list[Finding]:
        """What of a column is not carried: its default, its expression, its collation."""
        return self._columns.get((table, column), [])

    def object(self, kind: str, table: str | None, name: str | None) -> str:
        """Why an object (``INDEX``, ``VIEW``, ``CHECK``, ``FK``, ``TRIGGER``) is not carried; empty where it is."""
        return self._objects.get((kind, table, name)) or self._objects.get((kind, None, name), "")
