"""``decisions.yaml``: what a person chose, written so that a later headless run replays it.

The format is that of :class:`migrator_tui.model.decisions.Decisions`::

    findings:     [{id, table, column, choice}]
    conflicts:    [{table, key: {id: 7}, kind, choice, fields: {name: source}, values: {name: Ann}, into: {id: 9}}]
    rules:        [{table, kind, choice, by: updated_at, columns: [name], fields: {name: source}}]
    natural_keys: {users: [{columns: [email], match: folded, name: e-mail}]}
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from migrator_tui import locations, yaml_lines
from migrator_tui.config import natural_keys_of
from migrator_tui.config_file import NaturalKeyKeys
from migrator_tui.model.decisions import (
    ConflictChoice,
    ConflictDecision,
    ConflictRule,
    Decisions,
    FindingDecision,
    Preference,
)
from migrator_tui.model.findings import CATALOGUE

HEADER = """\
# Decisions of a migration, for `migrator-tui migrate --decisions FILE` and `migrator-tui resume RUN --decisions FILE`.
# Tried from top to bottom; the first that matches wins. `table: "*"` in a rule stands for every table.
# Conflicts and rules choose keep-source, keep-target, per-field (with `fields`), edit (with `values`), keep-both,
# merge (with `fields`, and `into` where several rows were met), skip or quarantine.
"""


def _key_value(value: object) -> object:
    if value is None or type(value) in (str, int) or (type(value) is float and not math.isnan(value)):
        return value
    raise ValueError("expected a text, a number or null, as the key column holds it.")


def _text(value: object) -> object:
    """A value as text: a number that was written without quotes is what its digits say."""
    return str(value) if type(value) is int else value


ChoiceWord = Literal["keep-source", "keep-target", "per-field", "edit", "keep-both", "merge", "skip", "quarantine"]
RuleWord = Literal[
    "keep-source", "keep-target", "per-field", "keep-both", "merge", "skip", "quarantine", "newer", "longer", "not-null"
]
SideWord = Literal["source", "target"]
KeyValue = Annotated[Any, AfterValidator(_key_value)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _FindingKeys(_Keys):
    id: str
    # FK-ORPHAN has a choice called null; written without quotes it reaches here as None.
    choice: Annotated[str, BeforeValidator(lambda value: "null" if value is None else value)]
    table: str | None = None
    column: str | None = None


class _ConflictKeys(_Keys):
    table: str
    key: dict[str, KeyValue] = Field(min_length=1)
    choice: ChoiceWord
    kind: str | None = None
    fields: dict[str, SideWord] = Field(default_factory=dict)
    values: dict[str, Annotated[str | None, BeforeValidator(_text)]] = Field(default_factory=dict)
    into: dict[str, KeyValue] = Field(default_factory=dict)


class _RuleKeys(_Keys):
    table: str
    choice: RuleWord
    kind: str | None = None
    by: str | None = None
    columns: list[str] = Field(default_factory=list)
    fields: dict[str, SideWord] = Field(default_factory=dict)


class _FileKeys(_Keys):
    findings: list[_FindingKeys] = Field(default_factory=list)
    conflicts: list[_ConflictKeys] = Field(default_factory=list)
    rules: list[_RuleKeys] = Field(default_factory=list)
    natural_keys: dict[str, list[NaturalKeyKeys]] = Field(default_factory=dict)


def read(path: Path) -> Decisions:
    """Read a decisions file.

    Raises:
        UsageError: ``DECISIONS-MISSING``, ``-UNREADABLE``, ``-YAML``, ``-DUPLICATE-KEY``, ``-INVALID`` or
            ``-UNKNOWN`` (an id or choice that the catalogue of findings does not have); file and line are named.
    """
    return _decisions(yaml_lines.read(path, "DECISIONS"))


def loads(text: str, name: str = "decisions.yaml") -> Decisions:
    """Read decisions from a text that messages call ``name``; see :func:`read`."""
    return _decisions(yaml_lines.parse(text, name, "DECISIONS"))


def write(path: Path, decisions: Decisions) -> None:
    """Write a decisions file, readable by its owner alone: its keys are somebody's data."""
    locations.write_private(path, dumps(decisions))


def dumps(decisions: Decisions) -> str:
    """The text of a decisions file; what was not given is left out."""
    document = {
        "findings": [
            _given(id=item.id, table=item.table, column=item.column, choice=item.choice) for item in decisions.findings
        ],
        "conflicts": [
            _given(
                table=item.table,
                key=dict(item.key),
                kind=item.kind,
                choice=str(item.choice),
                fields=dict(item.fields) or None,
                values=dict(item.values) or None,
                into=dict(item.into) or None,
            )
            for item in decisions.conflicts
        ],
        "rules": [
            _given(
                table=item.table,
                kind=item.kind,
                choice=str(item.choice),
                by=item.by,
                columns=list(item.columns) or None,
                fields=dict(item.fields) or None,
            )
            for item in decisions.rules
        ],
        "natural_keys": _natural_keys(decisions),
    }
    return HEADER + yaml_lines.dump({part: entries for part, entries in document.items() if entries})


def _natural_keys(decisions: Decisions) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for key in decisions.natural_keys:
        entry = _given(columns=list(key.columns), match=str(key.match), name=key.name)
        tables.setdefault(key.table, []).append(entry)
    return tables


def _given(**entries: Any) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if value is not None}


def _decisions(document: yaml_lines.Document) -> Decisions:
    if document.value is None or document.value == {}:
        return Decisions()
    keys = yaml_lines.check(document, _FileKeys)
    for i, item in enumerate(keys.findings):
        _check_finding(document, i, item)
    for i, conflict in enumerate(keys.conflicts):
        _check_fields(document, i, conflict)
    for i, rule in enumerate(keys.rules):
        _check_rule(document, i, rule)
    return Decisions(
        findings=tuple(FindingDecision(item.id, item.choice, item.table, item.column) for item in keys.findings),
        conflicts=tuple(
            ConflictDecision(
                item.table, item.key, ConflictChoice(item.choice), item.kind, item.fields, item.values, item.into
            )
            for item in keys.conflicts
        ),
        rules=tuple(
            ConflictRule(item.table, _rule_choice(item.choice), item.kind, item.by, tuple(item.columns), item.fields)
            for item in keys.rules
        ),
        natural_keys=natural_keys_of(keys.natural_keys),
    )


def _rule_choice(word: str) -> ConflictChoice | Preference:
    return Preference(word) if word in tuple(Preference) else ConflictChoice(word)


def _check_fields(document: yaml_lines.Document, index: int, item: _ConflictKeys) -> None:
    if item.choice == "per-field" and not item.fields:
        what = "per-field says nothing without `fields`, such as {name: source}."
        raise document.complaint("INVALID", ("conflicts", index, "choice"), what)
    if item.choice == "edit" and not item.values:
        what = "edit says nothing without `values`, such as {name: Ann}."
        raise document.complaint("INVALID", ("conflicts", index, "choice"), what)
    if item.choice in ("skip", "quarantine", "keep-both") and item.fields:
        what = (
            "a row that is kept under a new key is the source's; `values` changes it."
            if item.choice == "keep-both"
            else "a row that stays behind has no fields to choose from."
        )
        raise document.complaint("INVALID", ("conflicts", index, "fields"), what)
    if item.values and item.choice not in ("edit", "keep-both"):
        what = f"`values` belongs to edit and keep-both; {item.choice} takes none."
        raise document.complaint("INVALID", ("conflicts", index, "values"), what)
    if item.into and item.choice != "merge":
        what = f"`into` names the row that survives a merge; {item.choice} has none."
        raise document.complaint("INVALID", ("conflicts", index, "into"), what)


def _check_rule(document: yaml_lines.Document, index: int, item: _RuleKeys) -> None:
    if item.choice in ("newer", "longer") and item.by is None:
        what = f"{item.choice} needs a column: `by: updated_at`."
        raise document.complaint("INVALID", ("rules", index, "choice"), what)
    if item.by is not None and item.choice not in tuple(Preference):
        what = f"`by` names the column of {', '.join(Preference)}; {item.choice} looks at none."
        raise document.complaint("INVALID", ("rules", index, "by"), what)
    if item.choice == "per-field" and not item.fields:
        what = "per-field says nothing without `fields`, such as {name: source}."
        raise document.complaint("INVALID", ("rules", index, "choice"), what)
    if item.fields and item.choice not in ("per-field", "merge"):
        what = f"`fields` belongs to per-field and merge; {item.choice} takes none."
        raise document.complaint("INVALID", ("rules", index, "fields"), what)


def _check_finding(document: yaml_lines.Document, index: int, item: _FindingKeys) -> None:
    kind = CATALOGUE.get(item.id)
    if kind is None:
        near = yaml_lines.closest(item.id, tuple(CATALOGUE))
        raise document.complaint("UNKNOWN", ("findings", index, "id"), f"{item.id} is no kind of finding{near}")
    if kind.choice(item.choice) is None:
        names = [choice.name for choice in kind.choices]
        what = (
            f"{item.id} has no choice {item.choice}{yaml_lines.closest(item.choice, names)} It has: {', '.join(names)}."
            if names
            else f"{item.id} has nothing to choose; leave the entry out."
        )
        raise document.complaint("UNKNOWN", ("findings", index, "choice"), what)
