"""The actions that conflicts have: one key each, for the row at the cursor or for all that are selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.model.decisions import ConflictChoice
from migrator_tui.tui.conflict_choices import WORDS, why_not
from migrator_tui.tui.widgets.action_bar import Offered

KEYS: Mapping[str, ConflictChoice] = {
    "s": ConflictChoice.KEEP_SOURCE,
    "t": ConflictChoice.KEEP_TARGET,
    "f": ConflictChoice.PER_FIELD,
    "e": ConflictChoice.EDIT,
    "b": ConflictChoice.KEEP_BOTH,
    "m": ConflictChoice.MERGE,
    "x": ConflictChoice.QUARANTINE,
    "k": ConflictChoice.SKIP,
}


def actions(row: ConflictRow, selected: Sequence[ConflictRow]) -> list[Offered]:
    """What can be done with the row at the cursor, or with those that are selected."""
    rows = selected or [row]
    offered = []
    for key, choice in KEYS.items():
        reasons = [why_not(one, choice) for one in rows]
        why = reasons[0] if all(reasons) else None
        if choice is ConflictChoice.PER_FIELD:
            why = "Fields are chosen for one row at a time." if len(rows) > 1 else why
            offered.append(Offered(key, "fields", "choose_fields", why))
        elif choice is ConflictChoice.EDIT:
            why = "Rows are edited one at a time." if len(rows) > 1 else why
            offered.append(Offered(key, "edit", "edit_row", why))
        elif choice is ConflictChoice.KEEP_BOTH:
            offered.append(Offered(key, "both", "keep_both", why))
        else:
            word = WORDS[choice].removeprefix("keep ")
            offered.append(Offered(key, word, f"choose('{choice.value}')", why))
    offered += [
        Offered(key.upper(), f"all {WORDS[KEYS[key]].removeprefix('keep ')}", f"choose_all('{KEYS[key].value}')")
        for key in ("s", "t", "b", "m")
        if why_not(row, KEYS[key]) is None
    ]
    offered.append(Offered("r", "rule", "by_rule", None if row.kind == "same-key" else "Rules compare two rows."))
    return offered
