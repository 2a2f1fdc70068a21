from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.migration.decisions_file import dumps, loads, read, write
from migrator_tui.model.decisions import (
    ConflictChoice,
    ConflictDecision,
    ConflictRule,
    Decisions,
    FindingDecision,
    Match,
    NaturalKey,
    Preference,
)
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import CATALOGUE

names = st.text(max_size=20)
sides = st.dictionaries(names, st.sampled_from(["source", "target"]), max_size=3)
choices = [(kind.id, choice.name) for kind in CATALOGUE.values() for choice in kind.choices]


def sensible(decision: ConflictDecision) -> bool:
    """Per field needs fields, edit values; a row that stays behind or gets a new key has no fields to choose."""
    choice = decision.choice
    if choice in (ConflictChoice.QUARANTINE, ConflictChoice.SKIP, ConflictChoice.KEEP_BOTH) and decision.fields:
        return False
    if decision.values and choice not in (ConflictChoice.EDIT, ConflictChoice.KEEP_BOTH):
        return False
    if decision.into and choice is not ConflictChoice.MERGE:
        return False
    needed = {ConflictChoice.PER_FIELD: decision.fields, ConflictChoice.EDIT: decision.values}
    return bool(needed.get(choice, True))


everything = st.builds(
    Decisions,
    findings=st.lists(
        st.builds(
            lambda pair, table, column: FindingDecision(pair[0], pair[1], table, column),
            st.sampled_from(choices),
            st.none() | names,
            st.none() | names,
        ),
        max_size=4,
    ).map(tuple),
    conflicts=st.lists(
        st.builds(
            ConflictDecision,
            table=names,
            key=st.dictionaries(
                names, st.none() | st.integers() | st.floats(allow_nan=False) | st.text(), min_size=1, max_size=3
            ),
            choice=st.sampled_from(ConflictChoice),
            kind=st.none() | names,
            fields=sides,
            values=st.just({}) | st.dictionaries(names, st.none() | st.text(max_size=9), max_size=2),
            into=st.just({}) | st.dictionaries(names, st.integers(), max_size=2),
        ).filter(sensible),
        max_size=4,
    ).map(tuple),
    rules=st.lists(
        st.builds(
            ConflictRule,
            table=names,
            choice=st.sampled_from(
                [c for c in ConflictChoice if c not in (ConflictChoice.PER_FIELD, ConflictChoice.EDIT)]
            ),
            kind=st.none() | names,
            columns=st.lists(names, max_size=2).map(tuple),
        )
        | st.builds(
            ConflictRule,
            table=names,
            choice=st.sampled_from([ConflictChoice.PER_FIELD, ConflictChoice.MERGE]),
            fields=sides.filter(bool),
        )
        | st.builds(ConflictRule, table=names, choice=st.sampled_from(Preference), kind=st.none() | names, by=names)
        | st.builds(ConflictRule, table=names, choice=st.just(Preference.NOT_NULL), kind=st.none() | names),
        max_size=4,
    ).map(tuple),
    natural_keys=st.lists(
        st.builds(
            NaturalKey,
            table=st.just("users"),
            columns=st.lists(names.filter(bool), min_size=1, max_size=2).map(tuple),
            match=st.sampled_from(Match),
            name=st.none() | names,
        ),
        max_size=3,
    ).map(tuple),
)


@given(everything)
def test_what_is_written_is_read_back_the_same(decisions: Decisions) -> None:
    assert loads(dumps(decisions)) == decisions


def test_the_file_of_the_interfaces_is_read(tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_text(
        """\
findings:
  - {id: VALUE-NUL, table: notes, column: body, choice: bytea}
  - {id: FK-ORPHAN, choice: "null"}
conflicts:
  - {table: users, key: {id: 7}, kind: changed, choice: keep-source, fields: {name: target}}
  - {table: users, key: {id: 8}, choice: merge, into: {id: 9}, fields: {name: source}}
  - {table: users, key: {id: 10}, choice: keep-both, values: {email: ann@example.com, age: 7}}
rules:
  - {table: users, kind: same-key, columns: [name], choice: per-field, fields: {name: source}}
  - {table: "*", choice: keep-target}
natural_keys:
  users: [{columns: [email], match: folded}]
""",
        encoding="utf-8",
    )
    assert read(path) == Decisions(
        findings=(FindingDecision("VALUE-NUL", "bytea", "notes", "body"), FindingDecision("FK-ORPHAN", "null")),
        conflicts=(
            ConflictDecision("users", {"id": 7}, ConflictChoice.KEEP_SOURCE, "changed", {"name": "target"}),
            ConflictDecision("users", {"id": 8}, ConflictChoice.MERGE, fields={"name": "source"}, into={"id": 9}),
            ConflictDecision(
                "users", {"id": 10}, ConflictChoice.KEEP_BOTH, values={"email": "ann@example.com", "age": "7"}
            ),
        ),
        rules=(
            ConflictRule("users", ConflictChoice.PER_FIELD, "same-key", columns=("name",), fields={"name": "source"}),
            ConflictRule("*", ConflictChoice.KEEP_TARGET),
        ),
        natural_keys=(NaturalKey("users", ("email",), Match.FOLDED),),
    )


def test_the_choice_called_null_needs_no_quotes() -> None:
    assert loads("findings: [{id: FK-ORPHAN, choice: null}]").findings == (FindingDecision("FK-ORPHAN", "null"),)


def test_a_written_file_is_its_owners_alone_and_leaves_out_what_was_not_given(tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    write(path, Decisions(findings=(FindingDecision("VALUE-NUL", "replace"),)))
    assert path.stat().st_mode & 0o077 == 0
    text = path.read_text(encoding="utf-8")
    assert text.endswith("findings:\n- id: VALUE-NUL\n  choice: replace\n")
    assert read(path) == Decisions(findings=(FindingDecision("VALUE-NUL", "replace"),))


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "findings: []\n"])
def test_a_file_without_decisions_decides_nothing(text: str) -> None:
    assert loads(text) == Decisions()


@pytest.mark.parametrize(
    ("text", "line", "id", "parts"),
    [
        ("findings:\n- {id: VALUE-NULL, choice: x}", 2, "UNKNOWN", ["findings[0].id", "Did you mean VALUE-NUL?"]),
        (
            "findings:\n- id: VALUE-NUL\n  choice: replce\n",
            3,
            "UNKNOWN",
            ["VALUE-NUL has no choice replce", "Did you mean replace?", "replace, bytea, quarantine"],
        ),
        ("findings:\n- {id: TYPE-UNTYPED, choice: x}", 2, "UNKNOWN", ["nothing to choose"]),
        ("findings:\n- {id: VALUE-NUL}", 2, "INVALID", ["findings[0].choice", "missing"]),
        ("findings:\n- {id: VALUE-NUL, choice: null}", 2, "UNKNOWN", ["VALUE-NUL has no choice null"]),
        ("findings:\n- {id: VALUE-NUL, choise: x, choice: bytea}", 2, "INVALID", ["Did you mean choice?"]),
        ("finding: []", 1, "INVALID", ["finding is no key", "Did you mean findings?"]),
        ("rules:\n\n- {table: t, choice: keep_source}", 3, "INVALID", ["rules[0].choice", "Did you mean keep-source?"]),
        ("rules:\n- {choice: keep-source}", 2, "INVALID", ["rules[0].table", "missing"]),
        ("conflicts:\n- {table: t, key: 7, choice: keep-source}", 2, "INVALID", ["conflicts[0].key", "a mapping"]),
        ("conflicts:\n- {table: t, key: {}, choice: keep-source}", 2, "INVALID", ["conflicts[0].key", "at least 1"]),
        (
            "conflicts:\n- {table: t, key: {id: [1]}, choice: keep-source}",
            2,
            "INVALID",
            ["conflicts[0].key.id", "a text, a number or null"],
        ),
        (
            "conflicts:\n- table: t\n  key: {id: true}\n  choice: keep-source",
            3,
            "INVALID",
            ["conflicts[0].key.id"],
        ),
        (
            "conflicts:\n- table: t\n  key: {id: 1}\n  choice: keep-source\n  fields: {name: both}",
            5,
            "INVALID",
            ["conflicts[0].fields.name", "source or target"],
        ),
        ("- a", 1, "INVALID", ["findings, conflicts, rules", "found a list"]),
        ("rules: [", 1, "YAML", []),
        ("rules: []\nrules: []", 2, "DUPLICATE-KEY", ["first on line 1"]),
    ],
)
def test_a_mistake_is_named_with_file_line_and_what_was_expected(
    text: str, line: int, id: str, parts: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        loads(text, "my.yaml")
    assert caught.value.id == f"DECISIONS-{id}"
    assert f"my.yaml, line {line}: " in caught.value.message
    for part in parts:
        assert part in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "none.yaml")
    assert caught.value.id == "DECISIONS-MISSING"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conflicts: [{table: t, key: {id: 1}, choice: per-field}]", "without `fields`"),
        ("conflicts: [{table: t, key: {id: 1}, choice: quarantine, fields: {a: source}}]", "no fields"),
        ("conflicts: [{table: t, key: {id: 1}, choice: edit}]", "without `values`"),
        ("conflicts: [{table: t, key: {id: 1}, choice: keep-both, fields: {a: source}}]", "`values` changes it"),
        ("conflicts: [{table: t, key: {id: 1}, choice: merge, values: {a: b}}]", "belongs to edit and keep-both"),
        ("conflicts: [{table: t, key: {id: 1}, choice: skip, into: {id: 2}}]", "survives a merge"),
        ("rules: [{table: t, choice: per-field}]", "without `fields`"),
        ("rules: [{table: t, choice: skip, fields: {a: source}}]", "per-field and merge"),
        ("rules: [{table: t, choice: newer}]", "by: updated_at"),
        ("rules: [{table: t, choice: keep-source, by: a}]", "looks at none"),
    ],
)
def test_a_choice_that_lacks_its_column_or_has_one_too_many_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="line 1") as caught:
        loads(text)
    assert said in str(caught.value)
