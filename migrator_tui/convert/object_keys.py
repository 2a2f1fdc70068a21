"""Keys of Storage objects for any path, and back: ``uploads/Ü #1.pdf`` is the key ``=C3=9C =231.pdf``.

Storage takes ASCII letters, digits and ``_/!.*'() &$@=;:+,?-`` in a key (its ``isValidKey``) and nothing else. Every
other byte of the path's UTF-8 is written ``=XX``, as in quoted-printable; so are ``=`` itself, slashes that would
make an empty segment, and the first dot of the segments ``.`` and ``..``, which HTTP clients and servers resolve. Case
is kept: Storage tells ``a`` from ``A``.

The mapping is a function of the path alone, so that a column's values can be rewritten by it and read back by its
inverse. A value that does not begin with the prefix names no file below the folder, and stays as it is; where it
looks like a key, or is marked already, it is marked, so that no two values ever become one.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

LONGEST = 1024
"""Bytes of a key that S3, below Storage, takes at most; the tenant, bucket and version that Storage puts around it
count as well, see :data:`AROUND`."""
AROUND = 200
"""Bytes kept free for what Storage writes around the key: tenant, bucket (≤ 100 characters), version (a UUID)."""

MARK = "=:"
"""Before a value that is no object's path and could be taken for one: no key begins so, as ``:`` is no hex digit."""

_UNSAFE = re.compile(rb"[^A-Za-z0-9_!.*'() &$@;:+,?-]")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")

PLAIN = r"[A-Za-z0-9_!.*'() &$@;:+,?/-]+"
"""Regular expression of RE2: paths that are their own keys, but for what :data:`UNPLAIN` finds in them."""
UNPLAIN = r"^/|//|/$|(^|/)\.{1,2}(/|$)"


def key_of(path: str) -> str:
    """The key of a path: the same characters where Storage takes them, ``=XX`` for every other byte.

    Total and injective, also for what no file is named like. ``""`` stays ``""``, which is no key.

    Raises:
        UnicodeEncodeError: The text has half of a surrogate pair.
    """
    segments = path.encode("utf-8").split(b"/")
    last = len(segments) - 1
    written = bytearray()
    for number, segment in enumerate(segments):
        if segment in (b".", b".."):
            written += b"=2E" + segment[1:]
        else:
            written += _UNSAFE.sub(lambda match: b"=%02X" % match[0][0], segment)
        if number < last:
            closes = number + 1 == last and not segments[last]
            written += b"/" if segment and not closes else b"=2F"
    return written.decode("ascii")


def path_of(key: str) -> str:
    """The path that a key was made of; of a key that others made, its text with ``=XX`` read where it can be.

    Raises:
        ValueError: The bytes are no UTF-8, so that :func:`key_of` never made the key.
    """
    raw = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), key.encode("utf-8"))
    return raw.decode("utf-8")


def is_key_of_path(text: str) -> bool:
    """Whether :func:`key_of` gives this text for some path that is not empty."""
    try:
        return bool(text) and key_of(path_of(text)) == text
    except ValueError:
        return False


def is_too_long(key: str) -> bool:
    """Whether Storage's backend may refuse the key for its length."""
    return len(key) > LONGEST - AROUND


def rewritten(value: str, prefix: str, base: str = "") -> str:
    """A column's value as it is on the target: the key of the path behind the prefix, else the value.

    Args:
        base: Where the objects are, ending in ``/``: the key becomes a URL below it. Empty for the key alone.
    """
    rest = value.removeprefix(prefix) if value.startswith(prefix) else ""
    if rest:
        return base + in_url(key_of(rest)) if base else key_of(rest)
    return MARK + value if value.startswith(MARK) or _path_in(value, base) is not None else value


def original(value: str, prefix: str, base: str = "") -> str:
    """What :func:`rewritten` was given."""
    if value.startswith(MARK):
        return value[len(MARK) :]
    path = _path_in(value, base)
    return value if path is None else prefix + path


def _path_in(value: str, base: str) -> str | None:
    """The path whose key, or whose key's URL, the value is; None where it is neither."""
    if not base:
        return path_of(value) if is_key_of_path(value) else None
    if not value.startswith(base):
        return None
    try:
        key = from_url(value.removeprefix(base))
    except UnicodeDecodeError:
        return None
    return path_of(key) if is_key_of_path(key) and base + in_url(key) == value else None


def in_url(key: str) -> str:
    """The key as part of a URL's path: percent-encoded but for slashes.

    ``?``, ``:`` and spaces are allowed in keys and mean something else in a URL.
    """
    return quote(key, safe="/")


def from_url(text: str) -> str:
    """What :func:`in_url` was given."""
    return unquote(text, errors="strict")
