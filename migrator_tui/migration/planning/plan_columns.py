"""Planning a table that is made anew: columns with types, codecs, defaults; keys, checks, indexes."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert import codecs, expressions, given_types, parsed_texts, types
from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.operands import Known
from migrator_tui.convert.typed import Typed
from migrator_tui.convert.user_ids import namespace_of
from migrator_tui.migration.planning import plan_clauses, plan_collations, plan_standing
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, ColumnPlan, RowRule, TableOverride, TablePlan
from migrator_tui.model.profile import ColumnProfile, TableProfile
from migrator_tui.model.schema import (
    Check,
    Column,
    EnumType,
    Generated,
    Index,
    IndexPart,
    Key,
    Table,
    TableName,
)

LARGEST = {
    "bigint": 2**63 - 1, "int8": 2**63 - 1, "integer": 2**31 - 1, "int": 2**31 - 1, "int4": 2**31 - 1,
    "smallint": 2**15 - 1, "int2": 2**15 - 1,
}  # fmt: skip
"""The types that an identity can have, and their largest values."""


def new_table(
    draft: Drafting, table: Table, profile: TableProfile, target: TableName, override: TableOverride
) -> TablePlan:
    """The plan of a table that the target does not have yet."""
    name = table.name.name
    rules: list[RowRule] = []
    columns = []
    left_behind = []
    named = _column_names(draft, table, target, override)
    for column in table.columns:
        fixed = override.columns.get(column.name, (None, None, None))
        if fixed is None:
            left_behind.append(column.name)
            continue
        found = _profile(profile, column)
        proposed = _typed(draft, name, column, found, fixed)
        typed = _given(draft, name, column, found, proposed, fixed[1])
        for finding in typed.findings:
            draft.find(finding)
        rules += row_rules(column, typed)
        _, wanted_type, wanted_codec = fixed
        if wanted_codec == proposed.codec and _was_edited(wanted_type, proposed):
            wanted_codec = None
        columns.append(
            ColumnPlan(
                source=column.name,
                target=named[column.name],
                type=wanted_type or typed.type,
                codec=_codec(column, found, wanted_type, wanted_codec, typed),
                not_null=column.not_null
                and not typed.nulled
                and not _broken_not_null(draft, table, column, found, rules),
                comment=_comment(column.comment),
                given=(wanted_type or proposed.type, wanted_codec or typed.codec) != (proposed.type, proposed.codec),
            )
        )
    plan = TablePlan(
        source=name,
        target=target,
        action=Action.CREATE,
        columns=tuple(columns),
        left_behind=tuple(left_behind),
        locator=table.locator,
        order_by=table.primary_key.columns if table.primary_key else (),
        rows=profile.rows,
        bytes=profile.bytes,
        row_rules=tuple(rules),
        comment=_comment(table.sql),
    )
    for finding in plan_clauses.findings(table):
        draft.find(finding)
    plan = _enums(draft, table, plan)
    plan = plan_collations.choose(draft, table, plan)
    plan = replace(plan, columns=tuple(_finish(draft, table, plan, c, profile) for c in plan.columns))
    plan = _keys(draft, table, plan)
    plan = replace(plan, checks=plan.checks + _checks(draft, table, plan))
    return replace(plan, indexes=(*plan_collations.unique_indexes(draft, table, plan), *_indexes(draft, table, plan)))


def _typed(
    draft: Drafting, table: str, column: Column, found: ColumnProfile, fixed: tuple[str | None, str | None, str | None]
) -> Typed:
    """What a column becomes: the UUID of a user where it holds ids of users, unless a person wrote another type."""
    user_id = draft.user_ids.get((table, column.name))
    if user_id is not None and fixed[1] in (None, "uuid"):
        return Typed("uuid", user_id)
    blob = draft.target.blobs.get((table, column.name))
    if blob is not None and fixed[1] in (None, "text"):
        return Typed("text", blob)
    standing = plan_standing.standing(draft, table, column, found)
    parsed = parsed_texts.propose(table, column, found, standing, draft.chooser.choice) if standing else None
    nullable = plan_standing.may_be_null(draft, table, column.name)
    return parsed or types.propose(table, column, found, draft.chooser.choice, nullable=nullable)


def _given(
    draft: Drafting, table: str, column: Column, found: ColumnProfile, proposed: Typed, wanted: str | None
) -> Typed:
    """What becomes of a column whose type a person wrote: it is filled as a live column of that type would be."""
    if wanted is None or wanted == proposed.type or proposed.codec in draft.user_ids.values():
        return proposed
    live = given_types.live_column(column.name, wanted)
    if given_types.is_textual(live):
        return proposed
    nullable = plan_standing.may_be_null(draft, table, column.name)
    typed = given_types.onto(table, column, found, live, draft.chooser.choice, nullable=nullable, zone=draft.zone)
    return proposed if typed.misfit else replace(typed, type=wanted)


def _was_edited(wanted: str | None, proposed: Typed) -> bool:
    """Whether of a column of a plan file the type alone was changed, so that the codec has to follow from it.

    Enum types, which are written in quotes, come of a decision and take texts as they are.
    """
    return wanted not in (None, proposed.type) and not (wanted or "").startswith('"')


def _comment(declared: str | None) -> str | None:
    """The original declaration, where it can still be read once the run's folder is gone."""
    return f"SQLite: {declared}" if declared else None


def _broken_not_null(
    draft: Drafting, table: Table, column: Column, profile: ColumnProfile, rules: list[RowRule]
) -> bool:
    """Whether NOT NULL has to go because rows break it; quarantining those is added to the rules."""
    if not column.not_null or not profile.nulls or (table.primary_key and column.name in table.primary_key.columns):
        return False
    name = table.name.name
    finding = Finding(
        "NOT-NULL-BROKEN",
        f"{name}.{column.name} is declared NOT NULL, and {profile.nulls:,} rows hold NULL there.",
        table=name,
        column=column.name,
        rows=profile.nulls,
        choices=("nullable", "quarantine"),
    )
    if draft.find(finding) != "quarantine":
        return True
    rules.append(RowRule("NOT-NULL-BROKEN", "null-key", (column.name,), "", finding.message))
    return False


def _column_names(draft: Drafting, table: Table, target: TableName, override: TableOverride) -> dict[str, str]:
    """Source column → name: first those that a person gave, then those that stay, then those that are made."""
    moved = {c.name: override.columns.get(c.name, (None, None, None)) for c in table.columns}
    fixed = {name: entry[0] for name, entry in moved.items() if entry is not None}
    order = sorted(fixed, key=lambda name: (fixed[name] is None, draft.names.wanted(name) != name))
    return {name: draft.names.column(target, fixed[name] or name, fixed=fixed[name] is not None) for name in order}


def row_rules(column: Column, typed: Typed) -> list[RowRule]:
    """The quarantines that a column's decisions ask for, and the values that become NULL by them."""
    reasons = {finding.id: finding.message for finding in typed.findings}
    return [
        RowRule(finding, predicate, (column.name,), argument, reasons.get(finding, finding), nulls=nulls)
        for rules, nulls in ((typed.quarantine, False), (typed.nulled, True))
        for finding, predicate, argument in rules
    ]


def known_columns(table: Table, plan: TablePlan) -> dict[str, Known]:
    """Source column → everything that expressions have to know of it."""
    return {c.source: expressions.known(c, table.column(c.source), utf16=table.utf16) for c in plan.columns}


def _profile(profile: TableProfile, column: Column) -> ColumnProfile:
    try:
        return profile.column(column.name)
    except KeyError:
        return ColumnProfile(column.name)


def _codec(column: Column, found: ColumnProfile, wanted_type: str | None, wanted: str | None, typed: Typed) -> str:
    if wanted and codecs.exists(wanted) and not (namespace_of(wanted) and namespace_of(typed.codec)):
        return wanted
    if wanted_type and wanted_type != typed.type:
        return given_types.codec_for(wanted_type, typed.codec, column, found)
    return typed.codec


def _finish(draft: Drafting, table: Table, plan: TablePlan, planned: ColumnPlan, profile: TableProfile) -> ColumnPlan:
    """Identity, generated expression or default of one column."""
    column = table.column(planned.source)
    if column.generated:
        return _generated(draft, table, plan, planned, column, profile)
    if namespace_of(planned.codec) is not None and column.identity:
        return planned  # Auth gives the ids
    if column.identity and (largest := LARGEST.get(planned.type.lower())):
        highest = max(_profile(profile, column).integer_max or 0, table.sequence_high or 0, 0)
        if highest < largest:
            return replace(planned, identity_next=highest + 1, not_null=True)
        message = (
            f"{plan.source}.{column.name} gets no identity: its next value, {highest + 1}, is beyond {planned.type}."
        )
        draft.find(Finding("IDENTITY-NOT-CARRIED", message, table=plan.source, column=column.name))
        return planned
    if column.default is None:
        return planned
    known = expressions.known(planned, column, utf16=table.utf16)
    translated = expressions.default(column.default, planned.type, known)
    if translated.sql is None:
        message = f"{plan.source}.{column.name}: the default {column.default} is not carried: {translated.why}."
        original = (column.default,)
        draft.find(Finding("DEFAULT-NOT-CARRIED", message, table=plan.source, column=column.name, samples=original))
        return planned
    return replace(planned, default=translated.sql)


def _generated(
    draft: Drafting, table: Table, plan: TablePlan, planned: ColumnPlan, column: Column, profile: TableProfile
) -> ColumnPlan:
    assert column.generated is not None
    computed, why = _computed(table, plan, planned)
    if computed is not None and _overflows(table, column, profile):
        computed, why = None, "some values are infinite, and the target's arithmetic ends with an error there"
    if computed is None:
        message = f"{plan.source}.{column.name} becomes a plain column: {why}."
        original = (column.generated.expression,)
        draft.find(Finding("GENERATED-NOT-CARRIED", message, table=plan.source, column=column.name, samples=original))
        return planned
    if not column.generated.stored:
        message = f"{plan.source}.{column.name} is computed when it is read; on the target when it is written (STORED)."
        draft.find(Finding("GENERATED-STORED", message, table=plan.source, column=column.name))
    return replace(planned, generated=Generated(computed, True))


def _overflows(table: Table, column: Column, profile: TableProfile) -> bool:
    """Whether values became infinite by being computed: no column that is read holds infinite ones."""
    assert column.generated is not None
    read = [c for c in table.columns if c is not column and plan_standing.reads(column.generated.expression, c.name)]
    infinite = _profile(profile, column).infinite_reals
    return bool(infinite) and not any(_profile(profile, c).infinite_reals for c in read if not c.generated)


def _computed(
    table: Table, plan: TablePlan, planned: ColumnPlan, within: tuple[str, ...] = ()
) -> tuple[str | None, str]:
    """The expression of a generated column over columns that hold values, or None and why there is none."""
    generated = table.column(planned.source).generated
    if generated is None or planned.source in within:
        return None, "it holds values of its own"
    # A column that is computed from bytes, or that a plan gave a codec, is moved as it was computed.
    if planned.codec not in ("text", "integer", "real", "real-numeric"):
        return None, "its type was changed"
    nulled = {column for rule in plan.row_rules if rule.nulls for column in rule.columns}
    if any(plan_standing.reads(generated.expression, column) for column in nulled):
        return None, "values that it is computed from become NULL"
    known = known_columns(table, plan)
    # Postgres lets a generated column read no other one, so the other's expression takes its place.
    others = {f"_mt_generated_{n}": c for n, c in enumerate(plan.columns) if table.column(c.source).generated}
    for mark, other in others.items():
        known[other.source] = replace(known[other.source], target=mark)
    translated = expressions.generated(generated.expression, known, None, planned.type)
    if translated.sql is None:
        return None, translated.why
    sql = translated.sql
    for mark, other in others.items():
        if quote(mark) in sql:
            inner, _ = _computed(table, plan, other, (*within, planned.source))
            sql = sql.replace(quote(mark), f"CAST({inner} AS {other.type})" if inner else quote(other.target))
    return sql, ""


def _enums(draft: Drafting, table: Table, plan: TablePlan) -> TablePlan:
    """CHECKs that list a column's values, where that was decided to become an enum type."""
    columns = {c.source: c for c in plan.columns}
    for check in table.checks:
        for column in list(columns.values()):
            labels = expressions.enum_values(check.expression, column.source)
            if labels is None or column.codec != "text":
                continue
            finding = Finding(
                "CHECK-ENUM",
                f"{plan.source}.{column.source} is one of {', '.join(labels)}.",
                table=plan.source,
                column=column.source,
                choices=("check", "enum"),
            )
            if draft.find(finding) == "enum":
                enum = draft.names.relation(plan.target.schema, f"{plan.target.name}_{column.target}", "type")
                draft.enums.append(EnumType(enum, labels))
                columns[column.source] = replace(column, type=quote(enum.name))
            break
    return replace(plan, columns=tuple(columns[c.source] for c in plan.columns))


def _keys(draft: Drafting, table: Table, plan: TablePlan) -> TablePlan:
    renamed = {c.source: c.target for c in plan.columns}
    taken: list[Key] = []
    primary: Key | None = None
    if table.primary_key and all(c in renamed for c in table.primary_key.columns):
        name = draft.names.key(plan.target, table.primary_key.name or f"{plan.target.name}_pkey")
        primary = Key(tuple(renamed[c] for c in table.primary_key.columns), name)
        nulls = draft.profile.null_keys.get(plan.source, 0)
        if nulls:
            finding = Finding(
                "KEY-NULL",
                f"{plan.source}: {nulls:,} row{'s have' if nulls > 1 else ' has'} a NULL in the primary key "
                f"({', '.join(table.primary_key.columns)}).",
                table=plan.source,
                rows=nulls,
                choices=("unique", "quarantine"),
            )
            if draft.find(finding) == "quarantine":
                rule = RowRule("KEY-NULL", "null-key", table.primary_key.columns, "", finding.message)
                plan = replace(plan, row_rules=(*plan.row_rules, rule))
            else:
                taken.append(primary)
                primary = None
    for unique in table.uniques:
        if not all(c in renamed for c in unique.columns):
            continue
        if primary and set(unique.columns) == set(table.primary_key.columns if table.primary_key else ()):
            continue
        name = draft.names.key(
            plan.target, unique.name or f"{plan.target.name}_{'_'.join(renamed[c] for c in unique.columns)}_key"
        )
        taken.append(Key(tuple(renamed[c] for c in unique.columns), name))
    for column in renamed:
        rows = draft.profile.case_groups.get((plan.source, column), 0)
        if rows:
            finding = Finding(
                "KEY-CASE",
                f"{plan.source}.{column}: {rows} rows differ from another one only in case.",
                table=plan.source,
                column=column,
                rows=rows,
                choices=("keep", "quarantine"),
            )
            if draft.find(finding) == "quarantine":
                rule = RowRule("KEY-CASE", "case-duplicate", (column,), "", finding.message)
                plan = replace(plan, row_rules=(*plan.row_rules, rule))
    not_null = set(primary.columns) if primary else set()
    columns = tuple(replace(c, not_null=c.not_null or c.target in not_null) for c in plan.columns)
    return replace(plan, columns=columns, primary_key=primary, uniques=tuple(taken))


def _checks(draft: Drafting, table: Table, plan: TablePlan) -> tuple[Check, ...]:
    if not table.checks:
        return ()
    known = known_columns(table, plan)
    enums = {quote(enum.name.name) for enum in draft.enums}
    enum_columns = [c.source for c in plan.columns if c.type in enums]
    carried = []
    for number, check in enumerate(table.checks, start=1):
        if any(expressions.enum_values(check.expression, column) for column in enum_columns):
            continue  # the enum type says it
        translated = expressions.check(check.expression, known)
        label = check.name or f"{plan.target.name}_check{number}"
        if translated.sql is None:
            message = f"{plan.source}: CHECK ({check.expression}) is not carried: {translated.why}."
            original = (check.expression,)
            draft.find(Finding("CHECK-NOT-CARRIED", message, table=plan.source, object=label, samples=original))
            continue
        carried.append(Check(translated.sql, draft.names.constraint(plan.target, label)))
    return tuple(carried)


def _indexes(draft: Drafting, table: Table, plan: TablePlan) -> tuple[Index, ...]:
    carried = []
    for index in table.indexes:
        made = _index(draft, table, plan, index)
        if isinstance(made, str):
            message = f"The index {index.name} on {plan.source} is not carried: {made}."
            finding = Finding("INDEX-NOT-CARRIED", message, table=plan.source, object=index.name, samples=(index.sql,))
            draft.find(finding)
            continue
        name = draft.names.relation(plan.target.schema, index.name, "index")
        carried.append(replace(made, name=name.name))
        carried += plan_collations.exact_beside(draft, table, plan, index, made)
    return tuple(carried)


def _index(draft: Drafting, table: Table, plan: TablePlan, index: Index) -> Index | str:
    """The index in Postgres' terms, or why not."""
    known = known_columns(table, plan)
    planned = {c.source: c for c in plan.columns}
    parts = []
    for part in index.parts:
        if part.column is not None:
            if part.column not in planned:
                return f"its column {part.column} is left behind"
            made = plan_collations.part(draft, table, planned[part.column], part)
            if isinstance(made, str):
                return made
            parts.append(made)
            continue
        if part.collation and part.collation.upper() != "BINARY":
            return f"it compares by {part.collation}"
        expression = expressions.index_expression(part.expression or "", known)
        if expression.sql is None:
            return expression.why
        parts.append(IndexPart(expression=expression.sql, descending=part.descending))
    if index.where is None:
        return Index(index.name, tuple(parts), index.unique, sql=index.sql)
    where = expressions.predicate(index.where, known)
    if where.sql is None:
        return where.why
    return Index(index.name, tuple(parts), index.unique, where.sql, sql=index.sql)
