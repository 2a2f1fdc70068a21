"""Paths that begin with a user's id as keys that begin with the user's UUID, and back.

``uploads/42/avatar.png`` is the key ``0b3c8a52-…/avatar.png``, so that a policy may compare the first folder of an
object's name with ``auth.uid()``. Only folders that are ids of the source's users change; which those are is no
function of the codec's name, and is given beside it (:class:`UserFolders`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from migrator_tui.convert import object_keys
from migrator_tui.convert.user_ids import is_namespace

KEY, URL = "object-key-of-user", "object-url-of-user"


@dataclass(frozen=True, slots=True)
class OfUser:
    """What a codec's name says: the users' namespace, what values begin with, and where the objects are."""

    namespace: str
    prefix: str
    base: str = ""

    @property
    def codec(self) -> str:
        """The recorded name."""
        return f"{URL if self.base else KEY}:{self.namespace}|{self.base}|{self.prefix}"


def of_codec(name: str) -> OfUser | None:
    """What a codec's name says; None for other codecs."""
    kind, _, argument = name.partition(":")
    namespace, first, rest = argument.partition("|")
    base, second, prefix = rest.partition("|")
    if kind not in (KEY, URL) or not first or not second or not is_namespace(namespace):
        return None
    if (kind == URL) != bool(re.fullmatch(r"https?://\S+/", base)) or (kind == KEY and base):
        return None
    return OfUser(namespace, prefix, base)


class UserFolders:
    """Users by the text of their id in the source."""

    def __init__(self, uuids: Mapping[str, str]) -> None:
        """
        Args:
            uuids: Text of the source's id → UUID in its canonical spelling.
        """
        self._uuids = {key: uuid for key, uuid in uuids.items() if key and "/" not in key}
        self._ids = {uuid: key for key, uuid in self._uuids.items()}

    def __contains__(self, id: str) -> bool:
        return id in self._uuids

    def moved(self, path: str) -> str:
        """The path with its first folder, where that is a user's id, as the user's UUID."""
        folder, slash, rest = path.partition("/")
        return f"{self._uuids[folder]}/{rest}" if slash and folder in self._uuids else path

    def returned(self, path: str) -> str:
        """What :meth:`moved` was given."""
        folder, slash, rest = path.partition("/")
        return f"{self._ids[folder]}/{rest}" if slash and folder in self._ids else path

    def rewritten(self, value: str, prefix: str, base: str = "") -> str:
        """As :func:`object_keys.rewritten`, the folder of a user's id being their UUID."""
        if value.startswith(prefix):
            value = prefix + self.moved(value.removeprefix(prefix))
        return object_keys.rewritten(value, prefix, base)

    def original(self, value: str, prefix: str, base: str = "") -> str:
        """What :meth:`rewritten` was given."""
        found = object_keys.original(value, prefix, base)
        marked = value.startswith(object_keys.MARK)  # it was no path
        return found if marked or not found.startswith(prefix) else prefix + self.returned(found.removeprefix(prefix))

    def all_rewritten(self, values: pa.Array, of: OfUser) -> pa.Array:
        """:meth:`rewritten` of each value."""
        return _each(values, lambda value: self.rewritten(value, of.prefix, of.base))

    def all_original(self, values: pa.Array, of: OfUser) -> pa.Array:
        """:meth:`original` of each value."""
        return _each(values, lambda value: self.original(value, of.prefix, of.base))


def _each(values: pa.Array, change: Callable[[str], str]) -> pa.Array:
    return pa.array([None if value is None else change(value) for value in values.to_pylist()], pa.string())
