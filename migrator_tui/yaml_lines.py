"""YAML files that a person writes: read with line numbers and checked against a pydantic model.

Every complaint is a :class:`UsageError` that names the file, the line, the key path and what was expected, and never
repeats a value that may be a secret. Plain scalars mean what YAML 1.2's core schema says: ``no`` and ``on`` are texts
and only ``true`` and ``false`` are booleans; dates, ``12:30`` and ``007`` stay texts too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from migrator_tui.model.errors import UsageError

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

MOST_NODES = 500_000
"""Nodes that a file may have once its aliases are followed: a bound against files that blow up."""
MOST_COMPLAINTS = 10
"""Complaints about one file that are shown at once."""

_STRING = "tag:yaml.org,2002:str"
_SCALARS = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(
            r"^(?:[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+.0123456789"),
    ),
    ("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"]),
)


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core scalars instead of 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own attribute


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either YAML 1.1 or 1.2 would read as something else."""


def _text_node(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Plain and single-quoted scalars fold these line breaks into blanks when they are read back.
    style = '"' if re.search("[\\r\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar(_STRING, text, style=style)


_Dumper.add_representer(str, _text_node)
for _tag, _pattern, _first in _SCALARS:
    _CoreLoader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file's content.

    Attributes:
        name: The file as messages name it.
        value: Plain dicts, lists and scalars; None for an empty file.
        lines: Line (from 1) of each key path; of a mapping's entry it is the key's line.
        prefix: First part of error ids: ``CONFIG``, ``DECISIONS`` …
    """

    name: str
    value: Any
    lines: Mapping[KeyPath, int]
    prefix: str

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a key path, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                return line
        return 1

    def complaint(self, kind: str, path: Sequence[str | int], what: str, hint: str = "") -> UsageError:
        """A :class:`UsageError` ``<prefix>-<kind>`` about one key path."""
        return UsageError(f"{self.prefix}-{kind}", self.where(path, what), hint)

    def where(self, path: Sequence[str | int], what: str) -> str:
        """``file, line N: a.b[0] what``."""
        return f"{self.name}, line {self.line(path)}: {written_path(path)}{what}"


def read(path: Path, prefix: str) -> Document:
    """Read a YAML file.

    Raises:
        UsageError: ``-MISSING``, ``-UNREADABLE``, ``-YAML``, ``-DUPLICATE-KEY`` or ``-TOO-LARGE`` after the prefix.
    """
    name = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{prefix}-MISSING", f"There is no file {name}.", "Check the path.") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{prefix}-UNREADABLE", f"{name} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8."
        ) from None
    except OSError as error:
        raise UsageError(f"{prefix}-UNREADABLE", f"{name} cannot be read: {error.strerror}.") from None
    return parse(text, name, prefix)


def parse(text: str, name: str, prefix: str) -> Document:
    """Read YAML from a text; see :func:`read`."""
    try:
        loader = _CoreLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"{prefix}-YAML", f"{name}, line {line}: holds the character U+{error.character:04X}."
        ) from None
    try:
        node = loader.get_single_node()
        reading = _Reading(loader, name, prefix)
        value = None if node is None else reading.value(node, (), frozenset())
        return Document(name, value, reading.lines, prefix)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # Not str(error): it quotes the line, which may hold a password.
        raise UsageError(
            f"{prefix}-YAML",
            f"{name}, line {line}: this is not YAML: {_masked(error.problem or error.context or 'it ends early')}.",
            "Check indentation, quotes and the colon after each key.",
        ) from None
    except RecursionError:
        raise UsageError(f"{prefix}-TOO-LARGE", f"{name} is nested too deeply.") from None
    finally:
        loader.dispose()


def dump(value: Any) -> str:
    """YAML that :func:`parse` reads back to the same value."""
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return text


class _Reading:
    """One walk over the node tree: values, lines, duplicate keys, and a bound on what aliases may blow up to."""

    def __init__(self, loader: _CoreLoader, name: str, prefix: str) -> None:
        self.loader = loader
        self.name = name
        self.prefix = prefix
        self.lines: dict[KeyPath, int] = {}
        self.nodes = 0

    def value(self, node: yaml.Node, path: KeyPath, inside: frozenset[int]) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.nodes += 1
        if self.nodes > MOST_NODES or id(node) in inside:
            raise UsageError(
                f"{self.prefix}-TOO-LARGE",
                f"{self.name}, line {line}: an alias repeats itself, or the file has more than {MOST_NODES:,} values.",
            )
        inside |= {id(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, i), inside) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, inside)
        return self.scalar(node)

    def scalar(self, node: yaml.Node) -> Any:
        try:
            return self.loader.construct_object(node)
        except (ValueError, OverflowError):
            raise UsageError(
                f"{self.prefix}-YAML", f"{self.name}, line {node.start_mark.line + 1}: a number that cannot be read."
            ) from None

    def mapping(self, node: yaml.MappingNode, path: KeyPath, inside: frozenset[int]) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    found = self.value(source, (*path, "<<"), inside)
                    if not isinstance(found, dict):
                        raise UsageError(f"{self.prefix}-YAML", f"{self.name}, line {line}: << takes a mapping.")
                    merged = found | merged
                    self._lines_of_merged(path)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(f"{self.prefix}-YAML", f"{self.name}, line {line}: a key must be a plain text.")
            key = self.scalar(key_node)
            if key in own:
                first = self.lines[*path, key]
                raise UsageError(
                    f"{self.prefix}-DUPLICATE-KEY",
                    f"{self.name}, line {line}: {written_path((*path, key))}is there twice, first on line {first}.",
                    "Keep one of the two.",
                )
            self.lines[*path, key] = line
            own[key] = self.value(value_node, (*path, key), inside)
        return merged | own

    def _lines_of_merged(self, path: KeyPath) -> None:
        start = (*path, "<<")
        for known, line in [item for item in self.lines.items() if item[0][: len(start)] == start]:
            del self.lines[known]
            if len(known) > len(start):
                self.lines.setdefault((*path, *known[len(start) :]), line)


def check(document: Document, model: type[Model], *, context: Mapping[str, Any] | None = None) -> Model:
    """The document as a pydantic model.

    Raises:
        UsageError: ``<prefix>-INVALID``, one line per complaint: an unknown key, a missing one, a wrong kind.
    """
    if not isinstance(document.value, dict):
        expected = ", ".join(known_keys(model, ()))
        raise document.complaint("INVALID", (), f"expected the keys {expected}; found {_kind_of(document.value)}.")
    try:
        return model.model_validate(document.value, strict=True, context=dict(context or {}))
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_context=True)
    numbered: dict[tuple[int, str], None] = {}
    for error in errors:
        path = tuple(part for part in error["loc"] if part != "[key]")
        numbered[document.line(path), document.where(path, _expected(error, model, path))] = None
    complaints = [text for _, text in sorted(numbered)]
    left = len(complaints) - MOST_COMPLAINTS
    shown = complaints[:MOST_COMPLAINTS] + ([f"… and {left} more."] if left > 0 else [])
    hint = "Correct what is named here, and run the command again."
    raise UsageError(f"{document.prefix}-INVALID", "\n".join(shown), hint) from None


def _expected(error: ErrorDetails, model: type[BaseModel], path: KeyPath) -> str:
    """What is wrong with one key, without its value (which may be a secret) unless it is one word of a fixed few."""
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = known_keys(model, path[:-1])
        return f"is no key here{closest(str(path[-1]), known)} Known keys: {', '.join(known)}."
    if kind == "missing":
        return "is missing; it is required."
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"]))
    if kind == "literal_error":
        allowed = [str(word) for word in get_args(_annotation(model, path)) or ()] or [str(context["expected"])]
        what = f"expected {_one_of(allowed)}; found {_kind_of(found)}"
        return f"{what}{closest(found, allowed)}" if isinstance(found, str) else f"{what}."
    bounds = {
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
        "too_short": "at least {min_length} entry",
        "string_too_short": "a text that is not empty",
    }
    if kind in bounds:
        return f"expected {bounds[kind].format(**context)}."
    kinds = {
        "string_type": "a text",
        "int_type": "a whole number",
        "bool_type": "true or false",
        "list_type": "a list ([a, b])",
        "tuple_type": "a list ([a, b])",
        "dict_type": "a mapping (key: value)",
        "model_type": "a mapping (key: value)",
        "model_attributes_type": "a mapping (key: value)",
        "invalid_key": "a key that is a text (write a number in quotes)",
    }
    expected = kinds.get(kind, error["msg"])
    if kind in ("model_type", "model_attributes_type"):
        expected = f"a mapping with the keys {', '.join(known_keys(model, path))}"
    hint = " Write it in quotes." if kind == "string_type" and isinstance(found, int | float) else ""
    return f"expected {expected}; found {_kind_of(found)}.{hint}"


def known_keys(model: type[BaseModel], path: KeyPath) -> tuple[str, ...]:
    """The keys that a model knows at a key path."""
    here = _annotation(model, path)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return tuple(info.alias or name for name, info in here.model_fields.items())
    return ()


def _annotation(model: type[BaseModel], path: KeyPath) -> Any:
    """The annotation at a key path, ``X | None`` reduced to X; None where there is none."""
    here: Any = model
    for part in path:
        arguments = get_args(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {info.alias or name: info for name, info in here.model_fields.items()}
            if part not in fields:
                return None
            here = fields[str(part)].annotation
        elif arguments:
            here = arguments[-1] if get_origin(here) is dict else arguments[0]
        else:
            return None
        if get_origin(here) in (Union, UnionType):
            here = next(argument for argument in get_args(here) if argument is not type(None))
    return here


def closest(word: str, known: Sequence[str]) -> str:
    """``. Did you mean …?``, or a full stop where nothing is close."""
    spelled = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), spelled, n=1, cutoff=0.6)
    return f". Did you mean {spelled[near[0]]}?" if near else "."


def written_path(path: Sequence[str | int]) -> str:
    """``a.b[0] `` with a blank at its end, or nothing for the whole file."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return f"{_masked(text)} " if text else ""


def _masked(text: str) -> str:
    """The text with user and password of anything that looks like a URL taken out."""
    return re.sub(r"://\S*@", "://***@", text)


def _one_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _kind_of(value: Any) -> str:
    names: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    names |= {list: "a list", dict: "a mapping", type(None): "nothing (null)", bytes: "binary data"}
    return names.get(type(value), type(value).__name__)
