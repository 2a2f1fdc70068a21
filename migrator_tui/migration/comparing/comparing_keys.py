"""Comparing a table's primary key, unique keys and foreign keys."""

from __future__ import annotations

from collections.abc import Iterator

from migrator_tui.migration.comparing.object_texts import deferred, index_text, listed, reference_text
from migrator_tui.migration.comparing.pairs import Pair, Standing
from migrator_tui.migration.comparing.table_sides import DIGESTED, ONLY_THERE, TableSides
from migrator_tui.model.schema import ForeignKey, Key


def primary_key(sides: TableSides) -> Iterator[Pair]:
    """The primary key: which columns, in whatever order."""
    ours, live = sides.source.primary_key, sides.live
    expected = sides.expected.primary_key
    wanted = sides.live_names(expected.columns) if expected else None
    theirs = live.primary_key.columns if live and live.primary_key else None
    if ours is not None:
        text = listed(ours.columns)
        if expected is None:
            yield from _key_with_nulls(sides, ours)
        elif theirs is None and (digests := sides.digests(wanted or ())):
            yield sides.pair("primary key", text, Standing.CONVERTED, text, index_text(digests), DIGESTED)
        elif theirs is None:
            lacking = "becomes the primary key" if live is None else "the target has no primary key"
            planned = listed(expected.columns) if live is None else None
            yield sides.pair("primary key", text, Standing.MISSING, text, None, lacking, planned)
        elif sorted(theirs) == sorted(wanted or ()):
            yield sides.pair("primary key", text, Standing.SAME, text, listed(theirs), "the same columns")
        else:
            why = "the target's primary key has other columns"
            yield sides.pair("primary key", text, Standing.CHANGED, text, listed(theirs), why)
    elif theirs is not None:
        why = "the source has no primary key"
        yield sides.pair("primary key", listed(theirs), Standing.EXTRA, None, listed(theirs), why)


def _key_with_nulls(sides: TableSides, ours: Key) -> Iterator[Pair]:
    """SQLite lets a primary key hold NULL; that is a unique constraint in Postgres."""
    text = listed(ours.columns)
    wanted = tuple(sides.renamed.get(c, c) for c in ours.columns)
    if all(column in sides.made for column in ours.columns):
        if sides.live is None:
            yield sides.pair(
                "primary key", text, Standing.MISSING, text, None, "becomes a unique key", f"UNIQUE {text}"
            )
        elif any(sorted(key) == sorted(wanted) for key in sides.live.keys):
            why = "rows hold NULL in it, so it is a unique key, which means the same"
            yield sides.pair("primary key", text, Standing.CONVERTED, text, f"UNIQUE {listed(wanted)}", why)
        else:
            why = "the target has no key over these columns"
            yield sides.pair("primary key", text, Standing.MISSING, text, None, why)
    else:
        yield sides.pair("primary key", text, Standing.MISSING, text, None, "one of its columns is left behind")


def uniques(sides: TableSides) -> Iterator[Pair]:
    """Unique constraints; a whole unique index of the target is as good."""
    live = sides.live
    free = list(live.keys) if live else []
    for ours in sides.source.uniques:
        text = listed(ours.columns)
        if any(c not in sides.made for c in ours.columns):
            why = "one of its columns is left behind"
            yield sides.pair("unique", text, Standing.MISSING, text, None, why)
            continue
        wanted = tuple(sides.renamed[c] for c in ours.columns)
        if live is None:
            yield sides.pair("unique", text, Standing.MISSING, text, None, "becomes a unique key", listed(wanted))
            continue
        found = next((key for key in free if sorted(key) == sorted(wanted)), None)
        if found is None and (digests := sides.digests(wanted)):
            yield sides.pair("unique", text, Standing.CONVERTED, text, index_text(digests), DIGESTED)
        elif found is None:
            yield sides.pair("unique", text, Standing.MISSING, text, None, "the target lets values come twice")
        else:
            yield sides.pair("unique", text, Standing.SAME, text, listed(found), "the same columns")
    if live is None:
        return
    source = [sorted(sides.renamed.get(c, c) for c in key) for key in sides.source.keys]
    for key in live.uniques:
        if sorted(key.columns) not in source:
            yield sides.pair("unique", listed(key.columns), Standing.EXTRA, None, listed(key.columns), ONLY_THERE)


def foreign_keys(sides: TableSides) -> Iterator[Pair]:
    """Foreign keys with their actions and when they are checked."""
    made = list(sides.expected.foreign_keys)
    free = list(sides.live.foreign_keys) if sides.live else []
    for ours in sides.source.foreign_keys:
        text = reference_text(ours)
        within = f"{listed(ours.columns)} → {ours.parent.name}"
        columns = tuple(sides.made[c].target if c in sides.made else c for c in ours.columns)
        parent = sides.measure.targets.get(ours.parent.name)
        expected = next((k for k in made if k.columns == columns and k.parent == parent), None)
        if expected is None:
            why = sides.measure.not_carried.object("FK", sides.name, ours.name) if ours.name else ""
            why = why or sides.measure.not_carried.object("FK", sides.name, ours.columns[0] if ours.columns else None)
            yield sides.pair("foreign key", within, Standing.MISSING, text, None, why or "it is not carried")
            continue
        made.remove(expected)
        if sides.live is None:
            why = "is made NOT VALID: rows refer to nothing" if not expected.validated else "is made with the table"
            yield sides.pair("foreign key", within, Standing.MISSING, text, None, why, reference_text(expected))
            continue
        wanted = sides.live_names(expected.columns)
        found = next((k for k in free if k.columns == wanted and k.parent == expected.parent), None)
        if found is None:
            yield sides.pair("foreign key", within, Standing.MISSING, text, None, "the target lacks it")
            continue
        free.remove(found)
        reasons = list(_keys_differ(expected, found))
        if reasons:
            yield sides.pair("foreign key", within, Standing.CHANGED, text, reference_text(found), "; ".join(reasons))
        elif not found.validated:
            why = "NOT VALID, as planned: rows that refer to nothing were kept"
            yield sides.pair("foreign key", within, Standing.CONVERTED, text, reference_text(found), why)
        else:
            yield sides.pair("foreign key", within, Standing.SAME, text, reference_text(found), "the same reference")
    for other in free:
        within = f"{listed(other.columns)} → {other.parent}"
        yield sides.pair("foreign key", within, Standing.EXTRA, None, reference_text(other), ONLY_THERE)


def _keys_differ(expected: ForeignKey, found: ForeignKey) -> Iterator[str]:
    if expected.parent_columns != found.parent_columns:
        yield f"the target refers to {listed(found.parent_columns)}"
    if expected.on_delete != found.on_delete:
        yield f"the target has ON DELETE {found.on_delete.value}"
    if expected.on_update != found.on_update:
        yield f"the target has ON UPDATE {found.on_update.value}"
    if (expected.deferrable, expected.initially_deferred) != (found.deferrable, found.initially_deferred):
        yield f"the target has it {deferred(found) or 'NOT DEFERRABLE'}"
    if expected.validated and not found.validated:
        yield "the target has not validated it: older rows may refer to nothing"
