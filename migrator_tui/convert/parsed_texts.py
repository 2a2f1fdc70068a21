"""Columns whose every value is a UUID or a JSON value: which type they are offered, or become.

Only what every stored value shows is offered, and every choice gives each value back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from migrator_tui.convert import shapes, types
from migrator_tui.convert.typed import Decide, Typed
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

UUID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Standing:
    """What else has a say in a column's type.

    Attributes:
        joined: Profiles of the columns that foreign keys join it to, which have to have the same type.
        leader: The table and column among them whose decision it follows; None where that is its own.
        declared: The leader's declared type.
        keyed: It is part of a key or index, or an expression of the table reads it.
    """

    joined: Sequence[ColumnProfile] = ()
    leader: tuple[str, str] | None = None
    declared: str = ""
    keyed: bool = False


def propose(table: str, column: Column, profile: ColumnProfile, standing: Standing, decide: Decide) -> Typed | None:
    """The type and codec of such a column; None for every other column."""
    if column.collation not in (None, "", "BINARY"):
        return None
    if codec := _uuid_codec((profile, *standing.joined)):
        return _uuids(table, column, profile, standing, codec, decide)
    if profile.json and profile.classes == ("text",) and not (profile.nul_texts or profile.invalid_utf8):
        return _json(table, column, profile, standing, decide)
    return None


def uuid_codec(profile: ColumnProfile) -> str | None:
    """The codec that makes uuids of a column's values; None where they are none, or written in several ways."""
    return _uuid_codec((profile,))


def _uuid_codec(joined: Sequence[ColumnProfile]) -> str | None:
    """One codec for all columns that have values; their own profile is the first."""
    codecs = {_own_uuid_codec(profile) for profile in joined if profile.classes}
    return codecs.pop() if len(codecs) == 1 else None


def _own_uuid_codec(profile: ColumnProfile) -> str | None:
    if profile.classes == ("blob",) and profile.blob_min_bytes == profile.max_bytes == UUID_BYTES:
        return "uuid-of-blob"
    if profile.classes == ("text",) and len(profile.shapes) == 1 and shapes.is_uuid(only := next(iter(profile.shapes))):
        return only.replace("-", ":", 1)
    return None


def _uuids(table: str, column: Column, profile: ColumnProfile, standing: Standing, codec: str, decide: Decide) -> Typed:
    declared = re.search(
        r"UUID|GUID|UNIQUEIDENTIFIER", standing.declared if standing.leader else column.type, re.IGNORECASE
    )
    what = "blobs of 16 bytes" if codec == "uuid-of-blob" else "texts that are UUIDs, all written in one way"
    choices = ["bytea" if codec == "uuid-of-blob" else "text", "uuid"]
    if declared and codec != "uuid-of-blob":
        choices.reverse()
    place = standing.leader or (table, column.name)
    finding = Finding(
        "TYPE-UUID",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, holds only {what}.",
        table=place[0],
        column=place[1],
        rows=profile.texts + profile.blobs,
        choices=tuple(choices),
    )
    # A column that follows another one is asked about there.
    found = () if standing.leader else (finding,)
    if decide(finding) == "uuid":
        return Typed("uuid", codec, found)
    otherwise = types.propose(table, column, profile, decide)
    return replace(otherwise, findings=(*found, *otherwise.findings))


def _json(table: str, column: Column, profile: ColumnProfile, standing: Standing, decide: Decide) -> Typed:
    # Texts that differ can be one JSON value, so that a key over them would clash, and json has no order at all.
    choices: tuple[str, ...] = ("text",) if standing.keyed else ("json", "text")
    if profile.json == "jsonb" and not standing.keyed:
        choices = ("jsonb", *choices)
    why = "; it is part of a key, an index or an expression, which compare texts" if standing.keyed else ""
    finding = Finding(
        "TYPE-JSON",
        f"{table}.{column.name}, declared {column.type}, holds only JSON{why}.",
        table=table,
        column=column.name,
        rows=profile.texts,
        choices=choices,
    )
    choice = decide(finding)
    return Typed(choice, choice, (finding,))
