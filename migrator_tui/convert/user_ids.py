"""User ids: integers or texts of the source as UUIDs of Supabase Auth, and back by the map that a run keeps.

The UUID of a source id is of version 5 (RFC 9562): a hash of the source project's namespace and the id's text, so the
same at every migration. A text that is a UUID in its canonical spelling stays that UUID. Users who were there already
keep theirs: which those are is no function of the codec's name, and is given beside it (:func:`matched`).

No hash can be turned back; ``migrator.key_map`` on the target has every pair, by which :func:`given_back` works.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

OF_INTEGER, OF_TEXT = "user-uuid", "user-uuid-of-text"
"""What the codecs' names begin with, before a colon and the namespace."""

_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NIL = "00000000-0000-0000-0000-000000000000"
_VERSION = bytes((byte & 0x0F) | 0x50 for byte in range(256))
_VARIANT = bytes((byte & 0x3F) | 0x80 for byte in range(256))


def codec_name(namespace: str, *, of_text: bool = False) -> str:
    """The codec's name for the ids of one source project."""
    return f"{OF_TEXT if of_text else OF_INTEGER}:{namespace}"


def namespace_of(codec: str) -> str | None:
    """The namespace in a codec's name; None for other codecs."""
    base, _, namespace = codec.partition(":")
    return namespace if base in (OF_INTEGER, OF_TEXT) and is_namespace(namespace) else None


def is_namespace(text: str) -> bool:
    """Whether this is a UUID in its canonical spelling."""
    return bool(_CANONICAL.fullmatch(text))


def user_id(namespace: str, key: str) -> UUID:
    """The UUID of one source id, by its text."""
    return UUID(bytes=_uuids(namespace, [key]))


def to_uuids(values: pa.Array, namespace: str) -> pa.Array:
    """Integers or texts as UUIDs, sixteen bytes each; each value is hashed once. NULL stays NULL."""
    coded = values.cast(pa.string()).dictionary_encode()
    distinct = coded.dictionary
    made = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(distinct), [None, pa.py_buffer(_uuids(namespace, distinct.to_pylist()))]
    )
    return made.take(coded.indices)


def _uuids(namespace: str, keys: Sequence[str]) -> bytes:
    begin = hashlib.sha1(UUID(namespace).bytes, usedforsecurity=False)
    digests = []
    own: dict[int, bytes] = {}
    for position, key in enumerate(keys):
        if len(key) == 36 and key != _NIL and _CANONICAL.fullmatch(key):
            own[position] = UUID(key).bytes
        digest = begin.copy()
        digest.update(key.encode())
        digests.append(digest.digest()[:16])
    made = bytearray(b"".join(digests))
    made[6::16] = made[6::16].translate(_VERSION)
    made[8::16] = made[8::16].translate(_VARIANT)
    for position, uuid in own.items():
        made[16 * position : 16 * position + 16] = uuid
    return bytes(made)


class Matched:
    """Users who were there already: the text of the source id → their UUID, ready for many batches."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._keys = pa.array(list(ids), pa.string())
        self._uuids = pa.array([UUID(uuid).bytes for uuid in ids.values()], pa.binary(16))

    def over(self, values: pa.Array, made: pa.Array) -> pa.Array:
        """The UUIDs ``made`` of ``values``, with those of the matched users in their place."""
        if not len(self._keys):
            return made
        at = pc.index_in(values.cast(pa.string()), self._keys)
        return pc.coalesce(self._uuids.take(at), made)


class GivenBack:
    """The way back: UUID → text of the source id, for many batches."""

    def __init__(self, ids: Mapping[UUID, str]) -> None:
        self._uuids = pa.array([uuid.bytes for uuid in ids], pa.binary())
        self._keys = pa.array(list(ids.values()), pa.string())

    def of(self, uuids: pa.Array) -> pa.Array:
        """Texts of source ids; NULL for NULL and for what the map does not have."""
        return self._keys.take(pc.index_in(uuids.cast(pa.binary()), self._uuids))
