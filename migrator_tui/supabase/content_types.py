"""What kind of file bytes begin like, for contents that have no name: the type that a browser is told of an object."""

from __future__ import annotations

LOOKED_AT = 16
"""Bytes from the beginning that tell."""

UNKNOWN = "application/octet-stream"

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_IN_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}


def content_type(beginning: bytes) -> str:
    """The media type of a content by its first :data:`LOOKED_AT` bytes."""
    for mark, kind in _BEGINNINGS:
        if beginning.startswith(mark):
            return kind
    if beginning.startswith(b"RIFF"):
        return _IN_RIFF.get(beginning[8:12], UNKNOWN)
    return "video/mp4" if beginning[4:8] == b"ftyp" else UNKNOWN
