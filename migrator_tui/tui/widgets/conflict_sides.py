"""Both rows of a conflict, field by field, so that the difference is seen at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.console import Group
from rich.text import Text

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.model.decisions import ConflictChoice
from migrator_tui.postgres.following import Followers
from migrator_tui.tui.conflict_choices import KINDS_IN_WORDS, WORDS, consequence, keys_in_words
from migrator_tui.tui.value_difference import difference, shortened
from migrator_tui.tui.widgets.field_table import FieldTable
from migrator_tui.tui.wording import counted, visible


@dataclass(frozen=True, slots=True)
class Marks:
    """Styles of what is marked; weight and underline tell it where there is no colour."""

    changed: str = "bold underline"
    kept: str = "bold"
    waits: str = "bold"


_KEPT = {
    ConflictChoice.KEEP_SOURCE: "source",
    ConflictChoice.KEEP_TARGET: "target",
    ConflictChoice.MERGE: "target",
}


def side_by_side(
    row: ConflictRow,
    choice: ConflictChoice | None = None,
    *,
    taken: Collection[str] = (),
    values: Mapping[str, str | None] = MappingProxyType({}),
    by_rule: bool = False,
    stacked: bool = False,
    marks: Marks | None = None,
    followers: Sequence[Followers] = (),
) -> Group:
    """What the choice will do, then both rows: fields that differ first, with what tells them apart.

    Args:
        taken: The fields that come from the source, where that was chosen per field.
        values: What was typed for it, by column.
        by_rule: The choice comes from a rule.
        stacked: The two values of a field below each other, for narrow terminals.
        followers: The rows that refer to it or to one that it met.
    """
    marks = marks or Marks()
    title = Text.assemble((f"{visible(row.table)} {visible(_named(row.key))}", "bold"), f"  {KINDS_IN_WORDS[row.kind]}")
    word = f"✓ {WORDS.get(choice, choice.value)}{', by a rule' if by_rule else ''}" if choice else "○ undecided"
    verdict = Text.assemble((word, marks.kept if choice else marks.waits), f"  {consequence(row, choice, [*taken])}")
    hits = [Text(f"  {hit.side} {visible(_named(hit.key))}  by {visible(hit.by)}", "italic") for hit in row.hits]
    if row.why and not choice:
        refused = WORDS.get(ConflictChoice(row.refused), row.refused) if row.refused else "it"
        hits.append(Text(f"✗ {refused} could not be had: {visible(row.why)}", marks.waits))
    typed = [Text(f"  ✎ {visible(name)} = {_shown(value)}", marks.kept) for name, value in values.items()]
    following = [Text(f"  ↳ {_followers(one)}", "italic") for one in followers if one.found != 0]
    if following:
        following.insert(0, Text("  Rows that refer to it, and follow it with keep both or merge:", "dim"))
    return Group(title, *hits, verdict, *typed, *following, Text(), _table(row, choice, taken, stacked, marks))


def _followers(found: Followers) -> str:
    whose = "" if found.side == "source" else f", of {visible(_named(found.of))}"
    if found.found is None:
        return f"{found.side} {visible(found.table)}{whose}: too many to count now"
    named = visible(keys_in_words(found.keys, found.found)) if found.keys else counted(found.found, "row")
    return f"{found.side} {visible(found.table)}{whose}: {named}"


def _table(
    row: ConflictRow, choice: ConflictChoice | None, taken: Collection[str], stacked: bool, marks: Marks
) -> FieldTable:
    kept = _KEPT.get(choice) if choice else None
    heads = {side: f"{side} ✓ kept" if side == kept else side for side in ("source", "target")}
    table = FieldTable(header_style="bold")
    table.add_column("  field", no_wrap=True, max_width=32)
    if stacked:
        table.add_column("", no_wrap=True)
        table.add_column("value", ratio=1)
    else:
        table.add_column(heads["source"], ratio=1)
        table.add_column(heads["target"], ratio=1)
    if not row.target:
        for name, value in row.source.items():
            _add(table, Text(f"  {visible(name)}"), heads, Text(_shown(value)), Text("(not there)", "dim"), stacked)
        return table
    if not row.source:
        for name, value in row.target.items():
            _add(table, Text(f"  {visible(name)}"), heads, Text("(not there)", "dim"), Text(_shown(value)), stacked)
        return table
    for name in row.differing:
        found = difference(row.source.get(name), row.target.get(name), marks.changed)
        ours, theirs = found.ours, found.theirs
        if choice is ConflictChoice.PER_FIELD:
            (ours if name in taken else theirs).append(" ✓", marks.kept)
        note = found.note
        if row.base:
            was = f"was {_shown(row.base.get(name))} on both"
            note = f"{note}; {was}" if note else was
        _add(table, Text(f"≠ {visible(name)}", "bold"), heads, ours, theirs, stacked, note)
    for name, value in row.source.items():
        if name not in row.differing:
            if stacked:
                table.add_row(f"  {visible(name)}", "both", Text(_shown(value)), style="dim")
            else:
                table.add_row(f"  {visible(name)}", Text(_shown(value)), Text(_shown(value)), style="dim")
    return table


def _add(
    table: FieldTable, label: Text, heads: dict[str, str], ours: Text, theirs: Text, stacked: bool, note: str = ""
) -> None:
    said = Text(f"  {note}", "italic")
    if stacked:
        table.add_row(label, heads["source"], ours)
        table.add_row("", heads["target"], theirs)
        if note:
            table.add_row("", "", Text(note, "italic"))
    else:
        table.add_row(Text("\n").join([label, said]) if note else label, ours, theirs)


def _named(key: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())


def _shown(value: str | None) -> str:
    return "NULL" if value is None else shortened(value)
