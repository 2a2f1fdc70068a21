"""Times that are written without a zone, where they become moments: which zone they are in is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from migrator_tui.convert import shapes
from migrator_tui.convert.typed import Decide, Typed
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

_OF_UTC = re.compile(r"current_timestamp|\b(?:datetime|strftime)\s*\(.*'now'", re.IGNORECASE)
"""Defaults by which SQLite itself writes the time, in UTC unless it is told ``localtime``."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone that naive times may be in.

    Attributes:
        name: In the IANA database (``Europe/Berlin``).
        given: A person named it; else it is this machine's.
    """

    name: str
    given: bool = False


def asked(table: str, column: Column, profile: ColumnProfile, typed: Typed, decide: Decide, zone: Zone | None) -> Typed:
    """What becomes of a column whose codec makes moments of naive times.

    Args:
        zone: The zone that is offered beside UTC.
    """
    kind, _, shape = typed.codec.partition(":")
    known = [name for name in profile.shapes if shapes.is_moment(name)] if shape == "mixed" else [shape]
    naive = [name for name in known if shapes.is_moment(name) and not shapes.has_zone(name)]
    if kind != "timestamptz" or not naive:
        return typed
    by_sqlite = _OF_UTC.search(column.default or "")
    local = by_sqlite is not None and "localtime" in (column.default or "").lower()
    if by_sqlite is None:
        evidence = "Nothing in the schema says which one they are in"
    elif local:
        evidence = f"Its default ({column.default}) writes the time of the machine that SQLite runs on"
    else:
        evidence = f"Its default ({column.default}) writes UTC"
    choices = ["utc"]
    message = f"{table}.{column.name} writes times without a zone, and {typed.type} has one. {evidence}"
    if zone is not None:
        utc_first = not local and (by_sqlite is not None or not zone.given)
        choices.insert(len(choices) if utc_first else 0, "zone")
        message += f"; {'the zone given' if zone.given else 'the zone of this machine'} is {zone.name}"
    rows = sum(count for name, count in profile.shapes.items() if name in naive)
    finding = Finding("DATE-ZONE", f"{message}.", table=table, column=column.name, rows=rows, choices=tuple(choices))
    typed = replace(typed, findings=(*typed.findings, finding))
    if zone is not None and decide(finding) == "zone":
        return replace(typed, codec=f"{typed.codec}@{zone.name}")
    return typed
