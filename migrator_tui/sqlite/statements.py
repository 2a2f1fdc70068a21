"""What only the stored CREATE statements say: CHECKs, collations, generated expressions, names of constraints.

SQLite keeps the text of each statement and offers no pragma for these parts. The text is cut into tokens by SQLite's
own lexical rules (sqlite.org/lang_keywords.html and tokenize.c: four ways to quote a name, comments, strings) and
parts are sliced from the original between their parentheses. A general SQL parser is not used: it refuses what it
does not know, and SQLite stores anything that it once understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migrator_tui.model.schema import Check

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<string> '(?:[^']|'')*(?:'|\Z) )
  | (?P<name> "(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z) )
  | (?P<word> [A-Za-z0-9_$\x80-\U0010FFFF]+ )
  | (?P<symbol> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"--|/\*")
_TABLE_CONSTRAINT = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


@dataclass(frozen=True, slots=True)
class _Node:
    """A token, or a pair of parentheses with what is between them (``inner``)."""

    kind: str
    start: int
    end: int
    text: str
    inner: tuple[_Node, ...] = ()

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words

    @property
    def as_name(self) -> str:
        quote = self.text[:1]
        if self.kind == "word" or quote not in ('"', "`", "[", "'"):
            return self.text
        if quote == "[":
            return self.text[1:].removesuffix("]")
        return self.text[1:].removesuffix(quote).replace(quote * 2, quote)


@dataclass(frozen=True, slots=True)
class ForeignKeyText:
    """What the text says about a foreign key, beyond ``foreign_key_list``."""

    name: str | None
    deferrable: bool = False
    initially_deferred: bool = False


@dataclass(frozen=True, slots=True)
class KeyText:
    """A UNIQUE or PRIMARY KEY constraint: its columns as written, its name."""

    columns: tuple[str, ...]
    name: str | None


@dataclass(frozen=True, slots=True)
class TableText:
    """The parts of a CREATE TABLE. Keys of the mappings are column names in lower case (:func:`folded`).

    Attributes:
        foreign_keys: In order of declaration, those of columns and those of the table in one sequence.
        virtual: Module of a virtual table, else None.
        declarations: What follows each column's name.
        arguments: What a virtual table's module is told, part by part.
    """

    checks: tuple[Check, ...] = ()
    collations: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)
    uniques: tuple[KeyText, ...] = ()
    primary_key: KeyText | None = None
    foreign_keys: tuple[ForeignKeyText, ...] = ()
    without_rowid: bool = False
    strict: bool = False
    virtual: str | None = None
    arguments: tuple[str, ...] = ()
    declarations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexText:
    """The parts of a CREATE INDEX: the expression of each part without COLLATE and direction, and the predicate."""

    parts: tuple[str, ...] = ()
    where: str | None = None


_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def folded(name: str) -> str:
    """The form in which SQLite compares names: ASCII letters in lower case, all others as they are."""
    return name.translate(_LOWER)


def table_text(sql: str) -> TableText:
    """Read a CREATE TABLE or CREATE VIRTUAL TABLE statement; what is not understood is left out."""
    nodes = _tree(sql)
    if len(nodes) > 1 and nodes[1].is_word("VIRTUAL"):
        at = next((i for i, node in enumerate(nodes[:-1]) if node.is_word("USING")), None)
        if at is None:
            return TableText(virtual="")
        told = nodes[at + 2].inner if len(nodes) > at + 2 else ()
        return TableText(
            virtual=nodes[at + 1].as_name, arguments=tuple(_text(sql, [*item]) for item in _split(told) if item)
        )
    body = next((i for i, node in enumerate(nodes) if node.kind == "group"), None)
    if body is None:
        return TableText()
    reader = _TableReader(sql)
    table_level = False
    declarations: dict[str, str] = {}
    for item in _split(nodes[body].inner):
        table_level = table_level or item[0].is_word(*_TABLE_CONSTRAINT)
        if table_level:
            reader.constraints(item, None)
        else:
            reader.constraints(item[1:], item[0].as_name)
            declarations[folded(item[0].as_name)] = _text(sql, item[1:])
    options = [node.text.upper() for node in nodes[body + 1 :] if node.kind == "word"]
    return TableText(
        tuple(reader.checks),
        reader.collations,
        reader.generated,
        tuple(reader.uniques),
        reader.primary_key,
        tuple(reader.foreign_keys),
        without_rowid="WITHOUT" in options,
        strict="STRICT" in options,
        declarations=declarations,
    )


def index_text(sql: str) -> IndexText:
    """Read a CREATE INDEX statement; what is not understood is left out."""
    nodes = _tree(sql)
    body = next((i for i, node in enumerate(nodes) if node.kind == "group"), None)
    if body is None:
        return IndexText()
    where = next((i for i, node in enumerate(nodes) if i > body and node.is_word("WHERE")), None)
    predicate = nodes[where + 1 :] if where is not None else []
    return IndexText(
        tuple(_text(sql, _without_order(item)) for item in _split(nodes[body].inner)),
        _text(sql, predicate) if predicate else None,
    )


class _TableReader:
    """Collects the constraints of one statement."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self.checks: list[Check] = []
        self.collations: dict[str, str] = {}
        self.generated: dict[str, str] = {}
        self.uniques: list[KeyText] = []
        self.primary_key: KeyText | None = None
        self.foreign_keys: list[ForeignKeyText] = []

    def constraints(self, nodes: Sequence[_Node], column: str | None) -> None:
        """Read the constraints of a column's definition, or of the table where ``column`` is None."""
        name: str | None = None
        stream = _Stream(nodes)
        for node in stream:
            if node.is_word("CONSTRAINT"):
                following = stream.next()
                name = following.as_name if following else None
                continue
            if node.is_word("DEFAULT"):
                following = stream.next()
                if following and following.text in ("-", "+"):
                    stream.next()
                name = None
            elif node.is_word("SET"):  # in ON DELETE SET DEFAULT, which is no default
                stream.next()
            elif node.is_word("NOT", "NULL"):
                if stream.peek_word("DEFERRABLE"):
                    stream.next()
                name = None
            elif node.is_word("DEFERRABLE"):
                self._deferrable(stream)
            elif node.is_word("CHECK"):
                if group := stream.next_group():
                    self.checks.append(Check(_text(self._sql, group.inner), name))
                name = None
            elif node.is_word("AS") and column is not None:
                if group := stream.next_group():
                    self.generated[folded(column)] = _text(self._sql, group.inner)
            elif node.is_word("COLLATE") and column is not None:
                if following := stream.next():
                    self.collations[folded(column)] = following.as_name
            elif node.is_word("UNIQUE", "PRIMARY"):
                self._key(node, stream, column, name)
                name = None
            elif node.is_word("REFERENCES"):
                self.foreign_keys.append(ForeignKeyText(name))
                name = None
                stream.next()

    def _key(self, node: _Node, stream: _Stream, column: str | None, name: str | None) -> None:
        if node.is_word("PRIMARY") and stream.peek_word("KEY"):
            stream.next()
        if column is None:
            group = stream.next_group()
            columns = tuple(item[0].as_name for item in _split(group.inner)) if group else ()
        else:
            columns = (column,)
        if node.is_word("UNIQUE"):
            self.uniques.append(KeyText(columns, name))
        else:
            self.primary_key = KeyText(columns, name)

    def _deferrable(self, stream: _Stream) -> None:
        deferred = False
        if stream.peek_word("INITIALLY"):
            stream.next()
            following = stream.next()
            deferred = following is not None and following.is_word("DEFERRED")
        if self.foreign_keys:
            self.foreign_keys[-1] = ForeignKeyText(self.foreign_keys[-1].name, True, deferred)


class _Stream:
    """Nodes with a look ahead."""

    def __init__(self, nodes: Sequence[_Node]) -> None:
        self._nodes = nodes
        self._at = 0

    def __iter__(self) -> Iterator[_Node]:
        while (node := self.next()) is not None:
            yield node

    def next(self) -> _Node | None:
        if self._at >= len(self._nodes):
            return None
        self._at += 1
        return self._nodes[self._at - 1]

    def next_group(self) -> _Node | None:
        following = self._nodes[self._at] if self._at < len(self._nodes) else None
        return self.next() if following is not None and following.kind == "group" else None

    def peek_word(self, word: str) -> bool:
        return self._at < len(self._nodes) and self._nodes[self._at].is_word(word)


def _tree(sql: str) -> list[_Node]:
    """The statement's tokens, without spaces and comments, what is in parentheses nested."""
    levels: list[list[_Node]] = [[]]
    opened: list[int] = []
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup or "symbol", match[0]
        if kind == "space":
            continue
        if text == "(":
            levels.append([])
            opened.append(match.start())
        elif text == ")" and opened:
            inner = tuple(levels.pop())
            start = opened.pop()
            levels[-1].append(_Node("group", start, match.end(), sql[start : match.end()], inner))
        else:
            levels[-1].append(_Node(kind, match.start(), match.end(), text))
    return [node for level in levels for node in level]


def _split(nodes: Sequence[_Node]) -> list[list[_Node]]:
    items: list[list[_Node]] = [[]]
    for node in nodes:
        if node.kind == "symbol" and node.text == ",":
            items.append([])
        else:
            items[-1].append(node)
    return [item for item in items if item]


def _without_order(item: list[_Node]) -> list[_Node]:
    kept = list(item)
    while len(kept) > 1:
        if kept[-1].is_word("ASC", "DESC"):
            del kept[-1]
        elif len(kept) > 2 and kept[-2].is_word("COLLATE"):
            del kept[-2:]
        else:
            break
    return kept


def _text(sql: str, nodes: Sequence[_Node]) -> str:
    """The original text from the first node to the last, comments replaced by a space."""
    if not nodes:
        return ""
    pieces = []
    for match in _TOKEN.finditer(sql, nodes[0].start, nodes[-1].end):
        is_comment = match.lastgroup == "space" and _COMMENT.match(match[0])
        pieces.append(" " if is_comment else match[0])
    return "".join(pieces).strip()
