"""What must be on the target once the seeded live database was resolved, row by row, and what is there.

Computed in plain Python from the seed, its decisions and the log of what was written beside the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator_tui.postgres.connect import Target
from tests.migration.seeded_live import DOUBLES, NOBODY, PHONES, Log, Person, Seed

COLUMNS = ("id", "email", "phone", "name", "note", "seen")


def with_(person: Person, **values: str) -> Person:
    """The row with other values."""
    row = dict(zip(COLUMNS, person, strict=True)) | values
    return (row["id"], row["email"], row["phone"], row["name"], row["note"], row["seen"])  # type: ignore[return-value]


@dataclass
class Outcome:
    """What must be there.

    Attributes:
        people: By id.
        beside: People who were kept under a new id, which is the target's to choose: by e-mail, with the source's id.
        became: Source id → the person's id on the target, or their e-mail under ``beside``; None if they stay behind.
        gone: Live rows that became one with another: their id → that one's.
        quarantined, archived: Counted by table, and by side.
    """

    people: dict[int, Person]
    beside: dict[str, Person] = field(default_factory=dict)
    became: dict[int, int | str | None] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=lambda: {"messages": 0, "people": 0})
    archived: dict[str, int] = field(default_factory=lambda: {"source": 0, "target": 0})

    def loses(self, *sides: str) -> None:
        """A row of each of these sides is written otherwise than it was, or not at all."""
        for side in sides:
            self.archived[side] += 1

    def leave(self, id: int, stands: int | None) -> None:
        """A person of the source stays behind; who refers to them finds that row."""
        self.quarantined["people"] += 1
        self.became[id] = stands


def by_rules(ours: Person, theirs: Person) -> bool:
    """Whether the rules of the same key take the source's row, of these two as they are."""
    differing = [name for name, a, b in zip(COLUMNS, ours, theirs, strict=True) if a != b]
    return differing == ["note"] or (differing != ["name"] and ours[5] > theirs[5])


def expected(seed: Seed, log: Log) -> Outcome:
    """The people, and what became of the source's."""
    people = {person[0]: person for person in seed.live_people()} | log.added | log.before
    found = Outcome(people)
    for id in (*seed.ids["new"], *seed.ids["equal"]):
        found.people[id] = seed.source_person(id)
        found.became[id] = id
    for id in seed.ids["same_key"]:
        _same_key(seed, found, id)
    for id in seed.ids["same_email"]:
        _same_email(seed, found, id)
    for id in seed.ids["two_keys"]:
        _two_keys(seed, found, id)
    for id, (note, seen) in log.after.items():
        if id in found.people:
            found.people[id] = (*found.people[id][:4], note, seen)
    return found


def _same_key(seed: Seed, found: Outcome, id: int) -> None:
    ours, theirs = seed.source_person(id), found.people[id]
    decision = seed.one_by_one.get(id) or {"choice": "keep-source" if by_rules(ours, theirs) else "keep-target"}
    found.became[id] = id
    match decision["choice"]:
        case "per-field":
            found.people[id] = with_(theirs, name=ours[3])
            found.loses("source", "target")
        case "edit":
            found.people[id] = with_(ours, **decision["values"])
            found.loses("source", "target")
        case "keep-both":
            kept = with_(ours, **decision["values"])
            found.beside[kept[1]] = kept
            found.became[id] = kept[1]
            found.loses("source")
        case "keep-source":
            found.people[id] = ours
            found.loses("target")
        case "keep-target":
            found.loses("source")
        case _:
            found.leave(id, id)


def _same_email(seed: Seed, found: Outcome, id: int) -> None:
    ours = seed.source_person(id)
    decision = seed.one_by_one.get(id) or {"choice": "merge", "fields": {"name": "source"}}
    match decision["choice"]:
        case "merge":
            _become_one(found, ours, DOUBLES + id, decision)
        case "skip":
            found.leave(id, None)
        case _:
            _added(found, ours, decision)


def _two_keys(seed: Seed, found: Outcome, id: int) -> None:
    ours, decision = seed.source_person(id), seed.one_by_one[id]
    match decision["choice"]:
        case "merge":
            survivor = decision["into"]["id"]
            loser = DOUBLES + PHONES + 2 * id - survivor
            _become_one(found, ours, survivor, decision)
            del found.people[loser]
            found.gone[loser] = survivor
            found.loses("target")
        case "skip":
            found.leave(id, None)
        case _:
            _added(found, ours, decision)


def _become_one(found: Outcome, ours: Person, survivor: int, decision: dict[str, Any]) -> None:
    found.became[ours[0]] = survivor
    found.loses("source")
    if decision.get("fields"):
        found.people[survivor] = with_(found.people[survivor], name=ours[3])
        found.loses("target")


def _added(found: Outcome, ours: Person, decision: dict[str, Any]) -> None:
    """Kept beside the other one under the key that it has, edited, or left for the target's."""
    stays = decision["choice"] != "keep-target"
    if stays:
        found.people[ours[0]] = with_(ours, **decision.get("values", {}))
    found.became[ours[0]] = ours[0] if stays else None
    found.loses("source")


def expected_messages(seed: Seed, found: Outcome, by_email: dict[str, int]) -> set[tuple[int, int, str]]:
    """The messages, where people under a new id have these ones; counts what stays behind and what was rewritten."""
    there = {(id, found.gone.get(person, person), body) for id, person, body in seed.live_messages()}
    for id, person, body in seed.messages():
        if person >= NOBODY:
            edited = id == DOUBLES * 8
            new: int | str | None = seed.edited_orphan["values"]["person"] if edited else None
        else:
            new = found.became[person]
        if new is None:
            found.quarantined["messages"] += 1
            continue
        if new != person:
            found.loses("source")
        there.add((id, by_email[new] if isinstance(new, str) else new, body))
    return there


def differences(seed: Seed, log: Log, target: Target) -> list[str]:
    """Every row that is another than it must be, read by a session of its own; and what stays behind, counted."""
    with psycopg.connect(target.conninfo()) as live:
        people = {
            row[0]: row
            for row in live.execute("SELECT id, email, phone, name, note, seen::text FROM people").fetchall()
        }
        messages = set(live.execute("SELECT id, person, body FROM messages").fetchall())
        kept: dict[str, int] = dict(
            live.execute("SELECT tbl, count(*) FROM migrator.quarantine GROUP BY tbl").fetchall()
        )
        lost: dict[str, int] = dict(
            live.execute("SELECT side, count(*) FROM migrator.archive GROUP BY side").fetchall()
        )
    wanted = expected(seed, log)
    by_email = {row[1]: id for id, row in people.items()}
    told = []
    for email, person in wanted.beside.items():
        id = by_email.get(email, -1)
        if id in wanted.people:
            told.append(f"{email} was written over the person {id}")
        wanted.people[id] = (id, *person[1:])
        by_email[email] = id
    told += [
        f"people {id}: {people.get(id)} and not {wanted.people.get(id)}"
        for id in sorted(people.keys() | wanted.people.keys())
        if people.get(id) != wanted.people.get(id)
    ]
    wanted_messages = expected_messages(seed, wanted, by_email)
    told += [f"message {row}: {'not there' if row in wanted_messages else 'there'}" for row in
             sorted(messages ^ wanted_messages)]  # fmt: skip
    if kept != {table: rows for table, rows in wanted.quarantined.items() if rows}:
        told.append(f"in quarantine are {kept}, and not {wanted.quarantined}")
    if lost != wanted.archived:
        told.append(f"archived are {lost}, and not {wanted.archived}")
    return told
