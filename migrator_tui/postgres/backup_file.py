"""The file of a backup: records, compressed, then encrypted in chunks, so that any length needs little memory.

Layout: a magic line; the header's length; the header (JSON, not secret); its SHA-256; chunks. Each chunk is sealed with
AES-256-GCM under a nonce of a random prefix, a counter and a flag that only the last one has (the STREAM construction
of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), and authenticates the header too. So a chunk that was altered, moved,
repeated or left out, a file that was cut anywhere or has something behind its end, and a header that was changed, are
all refused. The data's key is random, and stands in the header wrapped once for each key that opens the backup.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from migrator_tui.model.errors import BackupError

MAGIC = b"migrator-tui backup 1\n"
CHUNK = 1 << 20
"""Bytes of plain text in a chunk; the last one may have fewer."""
TAG = 16
LONGEST_HEADER = 1 << 16
LONGEST_RECORD = 1 << 30
KEY_BYTES = 32
SCRYPT = (1 << 17, 8, 1)
"""N, r and p for a passphrase: 128 MiB and about half a second."""
_DEAREST_SCRYPT = 1 << 31
"""Bytes that the parameters of a file may ask for, so that a forged header cannot take all memory."""
_LENGTH = struct.Struct(">I")
_RECORD = struct.Struct(">cI")

KeyKind = Literal["passphrase", "keyring", "recovery"]

ALTERED_HINT = "Nothing was written. Take another copy of the file, or an older backup."


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says before it is opened.

    Attributes:
        id: Of the backup.
        created: When, in ISO 8601, UTC.
        keys: One entry for each key that opens it: its kind, and how the data's key is wrapped.
        prefix: Of the nonces.
        raw: The bytes as they are in the file, which every chunk authenticates.
    """

    id: str
    created: str
    keys: tuple[dict[str, Any], ...]
    prefix: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """A key that shall open a backup: a passphrase's bytes, or 32 random ones."""

    kind: KeyKind
    secret: bytes
    account: str = ""

    def __repr__(self) -> str:
        return f"OpeningKey({self.kind}, ***)"


def new_key() -> bytes:
    """A random key."""
    return AESGCM.generate_key(KEY_BYTES * 8)


def key_text(key: bytes) -> str:
    """A random key as a person writes it down: base32 in groups of four."""
    text = base64.b32encode(key).decode().rstrip("=")
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def key_of_text(text: str) -> bytes:
    """The key that :func:`key_text` wrote.

    Raises:
        BackupError: ``BACKUP-KEY``: it is none.
    """
    plain = "".join(text.upper().replace("-", "").split())
    try:
        key = base64.b32decode(plain + "=" * (-len(plain) % 8))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BackupError("BACKUP-KEY", "That is no recovery key.", "It has 52 letters and digits in groups of four.")
    return key


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _wrapping_key(secret: bytes, entry: dict[str, Any]) -> bytes:
    if entry["kind"] != "passphrase":
        return secret
    n, r, p = (int(entry[name]) for name in ("n", "r", "p"))
    if not (n > 1 and n & (n - 1) == 0 and r > 0 and 0 < p <= 16 and 128 * n * r <= _DEAREST_SCRYPT):
        raise ValueError("scrypt")
    return Scrypt(salt=bytes.fromhex(entry["salt"]), length=KEY_BYTES, n=n, r=r, p=p).derive(secret)


def _wrap(data_key: bytes, key: OpeningKey, scrypt: tuple[int, int, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": key.kind, "nonce": os.urandom(12).hex()}
    if key.kind == "passphrase":
        entry |= {"salt": os.urandom(16).hex()} | dict(zip("nrp", scrypt, strict=True))
    if key.account:
        entry["account"] = key.account
    sealed = AESGCM(_wrapping_key(key.secret, entry)).encrypt(
        bytes.fromhex(entry["nonce"]), data_key, key.kind.encode()
    )
    return entry | {"key": sealed.hex()}


def unwrap(header: Header, keys: Iterator[OpeningKey]) -> bytes:
    """The data's key, by the first of the keys that opens it; no key is asked for after that.

    Raises:
        BackupError: ``BACKUP-KEY``: none does. ``BACKUP-ALTERED``: an entry of the header makes no sense.
    """
    tried = []
    for key in keys:
        for entry in header.keys:
            if entry.get("kind") != key.kind:
                continue
            try:
                wrapping = AESGCM(_wrapping_key(key.secret, entry))
                return wrapping.decrypt(bytes.fromhex(entry["nonce"]), bytes.fromhex(entry["key"]), key.kind.encode())
            except InvalidTag:
                tried.append(key.kind)
            except (KeyError, TypeError, ValueError):
                raise _altered("its header makes no sense") from None
    words = {"passphrase": "the passphrase", "keyring": "the key in the keyring", "recovery": "the recovery key"}
    if tried:
        which = " and ".join(dict.fromkeys(words[kind] for kind in tried))
        raise BackupError(
            "BACKUP-KEY",
            f"The backup is not opened by {which}.",
            "Give the passphrase or the recovery key that belongs to this file.",
        )
    wanted = " or ".join(dict.fromkeys(words.get(str(entry.get("kind")), "a key") for entry in header.keys))
    raise BackupError(
        "BACKUP-KEY",
        f"The backup is opened by {wanted}; none was given.",
        "Set MIGRATOR_TUI_BACKUP_PASSPHRASE or MIGRATOR_TUI_BACKUP_RECOVERY_KEY, or type it when asked.",
    )


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Writer:
    """Writes records. Use as a context; only :meth:`finish` makes the file whole."""

    def __init__(
        self,
        sink: BinaryIO,
        *,
        id: str,
        created: str,
        keys: tuple[OpeningKey, ...],
        scrypt: tuple[int, int, int] = SCRYPT,
    ) -> None:
        data_key = new_key()
        prefix = os.urandom(7)
        document = {
            "id": id,
            "created": created,
            "cipher": "AES-256-GCM",
            "compression": "zstd",
            "chunk": CHUNK,
            "prefix": prefix.hex(),
            "keys": [_wrap(data_key, key, scrypt) for key in keys],
        }
        raw = json.dumps(document, sort_keys=True).encode()
        sink.write(MAGIC + _LENGTH.pack(len(raw)) + raw + hashlib.sha256(raw).digest())
        self._sealer = _Sealer(sink, data_key, prefix, raw)
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._sealer, mode="w"), "zstd")

    def record(self, kind: bytes, payload: bytes) -> None:
        """Append a record."""
        self._stream.write(_RECORD.pack(kind, len(payload)))
        self._stream.write(payload)

    def finish(self) -> None:
        """Seal the last chunk."""
        self._stream.close()
        self._sealer.finish()


class _Chunks:
    def __init__(self, key: bytes, prefix: bytes, raw: bytes) -> None:
        self._cipher = AESGCM(key)
        self._prefix = prefix
        self._header = hashlib.sha256(MAGIC + raw).digest()
        self._count = 0

    def nonce(self, last: bool) -> bytes:
        nonce = self._prefix + _LENGTH.pack(self._count) + bytes([last])
        self._count += 1
        return nonce

    def seal(self, text: bytes, last: bool) -> bytes:
        return self._cipher.encrypt(self.nonce(last), text, self._header)

    def open(self, sealed: bytes, last: bool) -> bytes:
        return self._cipher.decrypt(self.nonce(last), sealed, self._header)


class _Sealer(io.RawIOBase):
    def __init__(self, sink: BinaryIO, key: bytes, prefix: bytes, raw: bytes) -> None:
        self._sink = sink
        self._chunks = _Chunks(key, prefix, raw)
        self._buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._buffer += data
        # A full chunk waits until something follows: only then is it known not to be the last.
        while len(self._buffer) > CHUNK:
            self._sink.write(self._chunks.seal(bytes(self._buffer[:CHUNK]), last=False))
            del self._buffer[:CHUNK]
        return len(data)

    def finish(self) -> None:
        self._sink.write(self._chunks.seal(bytes(self._buffer), last=True))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def read_header(source: BinaryIO) -> Header:
    """The header of a backup, which ends where its chunks begin.

    Raises:
        BackupError: ``BACKUP-NOT-ONE``, ``BACKUP-ALTERED``.
    """
    magic = source.read(len(MAGIC))
    if magic != MAGIC:
        raise BackupError(
            "BACKUP-NOT-ONE", "The file is no backup that this program reads.", "`migrator-tui backup` writes them."
        )
    length = source.read(_LENGTH.size)
    size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else LONGEST_HEADER + 1
    if size > LONGEST_HEADER:
        raise _altered("its header is damaged")
    raw, digest = source.read(size), source.read(32)
    if len(raw) < size or hashlib.sha256(raw).digest() != digest:
        raise _altered("its header is damaged")
    try:
        document = json.loads(raw)
        prefix = bytes.fromhex(document["prefix"])
        keys = tuple(dict(entry) for entry in document["keys"])
        if (document["cipher"], document["compression"], document["chunk"]) != ("AES-256-GCM", "zstd", CHUNK):
            raise ValueError("written otherwise")
        if len(prefix) != 7:
            raise ValueError("prefix")
        return Header(str(document["id"]), str(document["created"]), keys, prefix, raw)
    except (ValueError, KeyError, TypeError):
        raise _altered("its header makes no sense") from None


def records(source: BinaryIO, header: Header, data_key: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records behind the header: each is given only when its bytes were authenticated.

    Raises:
        BackupError: ``BACKUP-ALTERED``.
    """
    opener = _Opener(source, data_key, header)
    stream = pa.CompressedInputStream(pa.PythonFile(opener, mode="r"), "zstd")

    def exactly(size: int, *, or_end: bool = False) -> bytes:
        parts: list[bytes] = []
        left = size
        while left:
            part = _reading(stream, left)
            if not part:
                break
            parts.append(part)
            left -= len(part)
        if left and not (or_end and left == size):
            raise _altered("it ends in the middle")
        return b"".join(parts)

    while head := exactly(_RECORD.size, or_end=True):
        kind, size = _RECORD.unpack(head)
        if size > LONGEST_RECORD:
            raise _altered("a record of it makes no sense")
        yield kind, exactly(size)
    opener.expect_end()


def _reading(stream: Any, size: int) -> bytes:
    try:
        return bytes(stream.read(size))
    except BackupError:
        raise
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _altered("what is in it cannot be unpacked") from error


class _Opener(io.RawIOBase):
    def __init__(self, source: BinaryIO, key: bytes, header: Header) -> None:
        self._source = source
        self._chunks = _Chunks(key, header.prefix, header.raw)
        self._next = source.read(CHUNK + TAG)
        self._text = b""
        self._at = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._at >= len(self._text) and not self._ended:
            self._open()
        end = len(self._text) if size is None or size < 0 else self._at + size
        part = self._text[self._at : end]
        self._at += len(part)
        return part

    def _open(self) -> None:
        sealed, self._next = self._next, self._source.read(CHUNK + TAG)
        self._ended = not self._next
        try:
            self._text = self._chunks.open(sealed, last=self._ended)
        except (InvalidTag, ValueError):
            raise _altered("it was altered or cut, or the key belongs to another file") from None
        self._at = 0

    def expect_end(self) -> None:
        """The unpacker may stop before the last chunk."""
        while not self._ended:
            self._open()
            if self._text:
                raise _altered("something follows its end")
        if self._at < len(self._text):
            raise _altered("something follows its end")


def _altered(why: str) -> BackupError:
    return BackupError("BACKUP-ALTERED", f"The backup cannot be trusted: {why}.", ALTERED_HINT)
