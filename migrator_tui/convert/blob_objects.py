"""Columns of blobs as columns of object keys or URLs: what the ``object-of-blob`` codec does.

The object holds the blob, and the column says where. A row's object is named by its table, its column and its key
(``documents/content/7``), so that the same row has the same object at every migration; the blob itself is not read to
tell. Parts of the key keep apart by their slashes, which within a part are escaped, as ``%`` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from migrator_tui.convert.identifiers import quote_sqlite

CODEC = "object-of-blob"


@dataclass(frozen=True, slots=True)
class BlobObjects:
    """How the objects of one column are named.

    Attributes:
        folder: What each path begins with, ending in ``/``.
        keys: Source columns whose values tell the row, or the rowid by the name that the table has for it.
        base: Where the objects are, ending in ``/``, for a column of URLs; empty for one of keys.
    """

    folder: str
    keys: tuple[str, ...]
    base: str = ""

    @property
    def codec(self) -> str:
        """The recorded name."""
        keys = ",".join(quote(key, safe="") for key in self.keys)
        return f"{CODEC}:{self.base}|{quote(self.folder, safe='/')}|{keys}"

    def path(self, column: str) -> str:
        """The SQLite expression for a row's path; NULL where the quoted column is."""
        parts = " || '/' || ".join(_part(key) for key in self.keys)
        folder = self.folder.replace("'", "''")
        # Asked for its class alone, SQLite leaves a large value where it is.
        return f"CASE WHEN typeof({column}) <> 'null' THEN '{folder}' || {parts} END"


def of_codec(name: str) -> BlobObjects | None:
    """What a codec's name says; None for other codecs."""
    kind, _, argument = name.partition(":")
    base, first, rest = argument.rpartition("|")[0].partition("|")
    keys = tuple(unquote(key) for key in argument.rpartition("|")[2].split(",") if key)
    if kind != CODEC or not first or not rest.endswith("/") or not keys or (base and not base.endswith("/")):
        return None
    return BlobObjects(unquote(rest), keys, base)


def _part(key: str) -> str:
    return f"replace(replace(CAST({quote_sqlite(key)} AS TEXT), '%', '%25'), '/', '%2F')"
