"""Ids of users on the way back into a file: columns that hold them, and paths that begin with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import pyarrow as pa

from migrator_tui.convert.codecs import codec as codec_of
from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.to_sqlite_types import Way
from migrator_tui.convert.to_sqlite_values import Cells
from migrator_tui.convert.user_folders import UserFolders, of_codec
from migrator_tui.convert.user_ids import OF_INTEGER, GivenBack, namespace_of


@dataclass(frozen=True, slots=True)
class UserIds:
    """Everybody whom rows of either end name.

    Attributes:
        keys: UUID → text of the id: those whom earlier runs moved, who are new in the file, and ``later``.
        later: Text of the id → UUID, of those who are on the target alone.
        integers: The file's ids are integers.
    """

    keys: Mapping[UUID, str]
    later: Mapping[str, str]
    integers: bool

    def way(self, column: str, codec: str, declared: str, collation: str | None) -> Way | None:
        """As :func:`way_of_users`."""
        if of_codec(codec) is None and namespace_of(codec) is None:
            return None
        folders = UserFolders({key: str(uuid) for uuid, key in self.keys.items()})
        return way_of_users(column, codec, declared, collation, GivenBack(self.keys), folders)


def way_of_users(
    column: str, codec: str, declared: str, collation: str | None, back: GivenBack | None, folders: UserFolders | None
) -> Way | None:
    """How a column comes back; None where it holds no ids of users, nor paths that begin with some.

    Args:
        column: Its unquoted name on the target.
        back: The ids; None where the column is known to hold none.
        folders: The users by whose ids paths begin; None where the column is known to hold no such paths.
    """
    of_user = of_codec(codec)
    if of_user is not None and folders is not None:

        def returned(read: Sequence[pa.Array]) -> Cells:
            return Cells((folders.all_original(read[0].cast(pa.string()), of_user),))

        return Way(declared, "other", (f"{quote(column)}::text",), returned, collation)
    if namespace_of(codec) is None or back is None:
        return None
    integers = codec.startswith(f"{OF_INTEGER}:")

    def decode(read: Sequence[pa.Array]) -> Cells:
        keys = back.of(read[0])
        return Cells((keys.cast(pa.int64()) if integers else keys,))

    return Way(declared, "other", (codec_of(codec).target_expression(column),), decode, collation)
