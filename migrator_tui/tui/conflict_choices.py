"""What can be chosen for a conflict, why something cannot, and what comes of it; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow
from migrator_tui.model.decisions import (
    CHOICES_OF,
    ConflictChoice,
    ConflictDecision,
    ConflictKind,
    ConflictRule,
    Decisions,
    Preference,
)
from migrator_tui.tui.wording import counted

WORDS: Mapping[ConflictChoice, str] = {
    ConflictChoice.KEEP_SOURCE: "keep source",
    ConflictChoice.KEEP_TARGET: "keep target",
    ConflictChoice.PER_FIELD: "per field",
    ConflictChoice.EDIT: "edit",
    ConflictChoice.KEEP_BOTH: "keep both",
    ConflictChoice.MERGE: "merge",
    ConflictChoice.SKIP: "skip",
    ConflictChoice.QUARANTINE: "quarantine",
}
KINDS_IN_WORDS = {
    "same-key": "same key, other values",
    "unique": "another row has this unique value",
    "several": "several rows have its keys",
    "duplicate": "an earlier row is the same by a natural key",
    "rule": "a rule of the table refuses it",
    "parent": "the row it refers to does not come",
    "deleted": "deleted on one end",
    "deleted-edited": "deleted on one end, edited or needed on the other",
}


def why_not(row: ConflictRow, choice: ConflictChoice) -> str | None:
    """Why a choice cannot be had for a row, in a sentence; None where it can."""
    if row.both_ends:
        if choice in (ConflictChoice.EDIT, ConflictChoice.KEEP_BOTH):
            return "A sync keeps the row of one end, or fields of either."
        if choice in (ConflictChoice.KEEP_SOURCE, ConflictChoice.KEEP_TARGET):
            return None
        if choice is ConflictChoice.PER_FIELD:
            return None if row.kind == "same-key" else "Only rows that both ends have are chosen field by field."
        return "A sync leaves no row apart: keep that of one end."
    if choice in (ConflictChoice.SKIP, ConflictChoice.QUARANTINE):
        return None
    if choice in (ConflictChoice.EDIT, ConflictChoice.KEEP_BOTH):
        if choice in CHOICES_OF.get(ConflictKind(row.kind), ()):
            return None
        return "There is no other row that it could be kept beside."
    if choice is ConflictChoice.MERGE:
        if row.kind == "same-key":
            return "Rows of one key are made one field by field."
        return None if row.hits else "There is no row to make it one with."
    if choice is ConflictChoice.KEEP_TARGET:
        if row.kind in ("rule", "parent") and not row.target:
            return "The target has no row of this key that could be kept."
        return None
    if row.kind == "same-key":
        return None
    if choice is ConflictChoice.PER_FIELD:
        return "Only rows of the same key are chosen field by field."
    if row.kind == "rule":
        return "The table refuses the source's row."
    return "A row that holds another row's unique value cannot replace it."


def consequence(row: ConflictRow, choice: ConflictChoice | None, taken: Sequence[str] = ()) -> str:
    """What a choice will do, in a sentence."""
    if row.both_ends and choice is not None:
        return _on_both_ends(row, choice, taken)
    if choice is ConflictChoice.KEEP_SOURCE:
        return "The source's row takes the place of the target's, whose values are archived."
    if choice is ConflictChoice.KEEP_TARGET:
        return "The target keeps its row; the source's is archived."
    if choice is ConflictChoice.PER_FIELD:
        fields = ", ".join(taken) or "nothing"
        return f"The target keeps its row but for {fields}, from the source; what loses is archived."
    if choice is ConflictChoice.EDIT:
        return "The source's row is written with the values that were edited; as it was it is archived."
    if choice is ConflictChoice.KEEP_BOTH:
        return "The target keeps its row and gets the source's as well, under a free key, with all that refers to it."
    if choice is ConflictChoice.MERGE:
        others = len({str(hit.key) for hit in row.hits if hit.side == "target"}) - 1
        also = f" {counted(others, 'other row')} of the target end in it too, and are archived." if others > 0 else ""
        return f"It becomes one with {_survivor(row)}, which keeps its values; what refers to it follows.{also}"
    if choice is ConflictChoice.SKIP:
        return "The source's row is left out of this run; it is kept in quarantine, whole."
    if choice is ConflictChoice.QUARANTINE:
        return "The source's row is set aside in quarantine, to be mended; the target stays as it is."
    return "Nothing is published before every conflict has a choice."


def _survivor(row: ConflictRow) -> str:
    into = merged(row).into or row.hits[0].key
    return f"{row.table} {', '.join(f'{name}={value}' for name, value in into.items())}"


def merged(row: ConflictRow) -> ConflictDecision:
    """The decision that makes a row one with the row that is shown beside it."""
    into: Mapping[str, str | int | float | None] = {}
    if row.kind == "several":
        own = all(row.target.get(name) == str(value) for name, value in row.key.items())
        into = row.key if own else next(hit.key for hit in row.hits if hit.side == "target")
    return ConflictDecision(row.table, dict(row.key), ConflictChoice.MERGE, row.kind, into=dict(into))


def _on_both_ends(row: ConflictRow, choice: ConflictChoice, taken: Sequence[str]) -> str:
    if choice is ConflictChoice.PER_FIELD:
        fields = ", ".join(taken) or "nothing"
        return f"Both ends get the target's row but for {fields}, from the source; what loses is archived."
    side, kept = ("source", row.source) if choice is ConflictChoice.KEEP_SOURCE else ("target", row.target)
    if kept:
        return f"Both ends get the {side}'s row; what the other end loses is archived."
    return f"As in the {side}, the row goes on the other end as well; its values are archived."


def edited(row: ConflictRow, values: Mapping[str, str | None]) -> ConflictDecision:
    """The decision that writes the source's row with other values."""
    return ConflictDecision(row.table, dict(row.key), ConflictChoice.EDIT, row.kind, values=dict(values))


def kept_both(row: ConflictRow, values: Mapping[str, str | None]) -> ConflictDecision:
    """The decision that keeps the source's row beside the target's: under a free key, but for what is given."""
    return ConflictDecision(row.table, dict(row.key), ConflictChoice.KEEP_BOTH, row.kind, values=dict(values))


def per_field(row: ConflictRow, taken: Sequence[str]) -> ConflictDecision:
    """The decision that takes some of the differing fields from the source; all or none of them is the whole row."""
    if set(taken) >= set(row.differing):
        return ConflictDecision(row.table, dict(row.key), ConflictChoice.KEEP_SOURCE, row.kind)
    if not taken:
        return ConflictDecision(row.table, dict(row.key), ConflictChoice.KEEP_TARGET, row.kind)
    fields = {name: "source" if name in taken else "target" for name in row.differing}
    return ConflictDecision(row.table, dict(row.key), ConflictChoice.PER_FIELD, row.kind, fields)


def taken_by(row: ConflictRow, decision: ConflictDecision) -> tuple[str, ...]:
    """The differing fields that a decision takes from the source."""
    base = "source" if decision.choice is ConflictChoice.KEEP_SOURCE else "target"
    return tuple(name for name in row.differing if decision.fields.get(name, base) == "source")


def ruled(row: ConflictRow, rule: ConflictRule) -> tuple[ConflictChoice | None, tuple[str, ...]]:
    """What a rule chooses for a row, and the fields it takes from the source; None where it cannot tell.

    Rules look at the values as the target compares them; what cannot be told from their texts is left to the target.
    """
    if rule.table not in (row.table, "*") or rule.kind not in (None, row.kind):
        return None, ()
    if rule.columns and (row.kind != "same-key" or set(rule.columns) != set(row.differing)):
        return None, ()
    if rule.choice is ConflictChoice.MERGE and row.kind == "several":
        return None, ()
    if isinstance(rule.choice, ConflictChoice):
        return (None if why_not(row, rule.choice) else rule.choice), ()
    if row.kind != "same-key":
        return None, ()
    if rule.by is None:
        other = [n for n in row.differing if row.source.get(n) is not None and row.target.get(n) is not None]
        fills = tuple(n for n in row.differing if row.target.get(n) is None)
        return (None, ()) if other else (ConflictChoice.PER_FIELD, fills)
    way = _way(rule.choice, row.source.get(rule.by), row.target.get(rule.by))
    if not way:
        return None, ()
    return (ConflictChoice.KEEP_SOURCE if way > 0 else ConflictChoice.KEEP_TARGET), ()


def _way(preference: Preference, ours: str | None, theirs: str | None) -> int:
    """Above zero for the source, below for the target, zero where it cannot be told."""
    if preference is Preference.NOT_NULL:
        return (ours is not None) - (theirs is not None)
    if ours is None or theirs is None:
        return 0
    if preference is Preference.LONGER:
        return (len(ours) > len(theirs)) - (len(ours) < len(theirs))
    try:
        a, b = Decimal(ours), Decimal(theirs)
        return (a > b) - (a < b)
    except InvalidOperation:
        pass
    try:
        at, other = _aware(ours), _aware(theirs)
    except ValueError:
        return 0
    return (at > other) - (at < other)


def _aware(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def rules_for(row: ConflictRow) -> list[tuple[str, ConflictRule]]:
    """Rules by the rows' own values that a person may want, for the columns in which a row differs."""
    table, kind = row.table, row.kind
    found = [("fill what one side leaves empty", ConflictRule(table, Preference.NOT_NULL, kind))]
    for name in row.differing:
        ours, theirs = row.source.get(name), row.target.get(name)
        if _way(Preference.NEWER, ours, theirs):
            found.append((f"newer by {name}", ConflictRule(table, Preference.NEWER, kind, by=name)))
        elif ours is None or theirs is None:
            found.append((f"the side that has {name}", ConflictRule(table, Preference.NOT_NULL, kind, by=name)))
        else:
            found.append((f"longer {name}", ConflictRule(table, Preference.LONGER, kind, by=name)))
    return found


def alike(row: ConflictRow, choice: ConflictChoice) -> list[tuple[str, ConflictRule]]:
    """Rules that decide the rows like this one: those that differ in the same columns, and all of the kind."""
    found = []
    if row.kind == "same-key" and row.differing:
        columns = tuple(row.differing)
        named = ", ".join(columns)
        found.append((f"all that differ in {named} alone", ConflictRule(row.table, choice, row.kind, columns=columns)))
    found.append((f"all of {row.table}: {KINDS_IN_WORDS[row.kind]}", ConflictRule(row.table, choice, row.kind)))
    return found


def name_of(table: str, key: Mapping[str, object]) -> str:
    """A row's name among decisions."""
    return json.dumps([table, key], sort_keys=True, default=str)


class Chosen:
    """The decisions about conflicts as they grow: each step is cheap, and can be taken back."""

    def __init__(self, decisions: Decisions) -> None:
        self._base = decisions
        self._rows: dict[str, ConflictDecision] = {}
        self._rest: list[ConflictDecision] = []
        for decision in decisions.conflicts:
            name = name_of(decision.table, decision.key)
            if name in self._rows:
                self._rest.append(decision)
            else:
                self._rows[name] = decision
        self._rules = decisions.rules
        self._steps: list[tuple[dict[str, ConflictDecision | None], tuple[ConflictRule, ...]]] = []

    @property
    def decisions(self) -> Decisions:
        """All of them; rows before rules, the newest rule first."""
        return replace(self._base, conflicts=(*self._rows.values(), *self._rest), rules=self._rules)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._steps)

    def decide(self, made: Iterable[ConflictDecision]) -> None:
        """Decide rows, in one step; an earlier decision about a row is replaced."""
        before: dict[str, ConflictDecision | None] = {}
        for decision in made:
            name = name_of(decision.table, decision.key)
            before.setdefault(name, self._rows.get(name))
            self._rows[name] = decision
        self._steps.append((before, self._rules))

    def rule(self, rule: ConflictRule) -> None:
        """Put a rule before the others, in one step."""
        self._steps.append(({}, self._rules))
        self._rules = (rule, *(other for other in self._rules if other != rule))

    def undo(self) -> None:
        """Take the last step back."""
        before, self._rules = self._steps.pop()
        for name, decision in before.items():
            if decision is None:
                del self._rows[name]
            else:
                self._rows[name] = decision

    def values_of(self, row: ConflictRow) -> Mapping[str, str | None]:
        """The values that were given for a row."""
        decision = self._rows.get(name_of(row.table, row.key))
        return decision.values if decision is not None else {}

    def of(self, row: ConflictRow) -> tuple[ConflictChoice | None, tuple[str, ...], str]:
        """The choice of a row, the fields that it takes from the source, and where it comes from: ``row``, ``rule``."""
        decision = self._rows.get(name_of(row.table, row.key))
        if decision is not None:
            if decision.fields and decision.choice not in (ConflictChoice.EDIT, ConflictChoice.MERGE):
                return ConflictChoice.PER_FIELD, taken_by(row, decision), "row"
            return decision.choice, (), "row"
        for rule in () if row.changed else self._rules:
            choice, taken = ruled(row, rule)
            if choice is not None and choice == row.refused:
                return None, (), ""  # the rule could not be carried out for it
            if choice is not None:
                return choice, taken, "rule"
        return (ConflictChoice(row.choice), row.taken, "row") if row.choice else (None, (), "")


def without(decisions: Decisions, rows: Iterable[tuple[str, Mapping[str, object]]]) -> Decisions:
    """The decisions without those about these rows alone, which are to be decided once more."""
    names = {name_of(table, key) for table, key in rows}
    kept = tuple(d for d in decisions.conflicts if name_of(d.table, d.key) not in names)
    return decisions if len(kept) == len(decisions.conflicts) else replace(decisions, conflicts=kept)


def fewer(groups: Sequence[ConflictGroup], rows: Iterable[ConflictRow]) -> list[ConflictGroup]:
    """The groups after these undecided rows were decided."""
    decided: dict[tuple[str, str], int] = {}
    for row in rows:
        decided[row.table, row.kind] = decided.get((row.table, row.kind), 0) + 1
    return [
        replace(group, undecided=max(0, group.undecided - decided.get((group.table, group.kind), 0)))
        for group in groups
    ]


def keys_in_words(keys: Sequence[Mapping[str, object]], found: int) -> str:
    """``1, 2, 3 and 227 more``: the first keys of so many rows."""
    named = [", ".join(f"{n}={v}" if len(key) > 1 else str(v) for n, v in key.items()) for key in keys]
    more = found - len(named)
    return "; ".join(named) + (f" and {counted(more, 'more', 'more')}" if more > 0 else "")
