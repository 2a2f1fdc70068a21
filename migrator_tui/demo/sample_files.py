"""The files that the sample application's people uploaded: small, real, and the same every time."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from migrator_tui.demo import texts

LIMIT = 300
"""How many different files there are; documents beyond it repeat their contents under other names."""

_EMPTY_EVERY, _EMPTY_AT = 50, 6


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file's content and what a document row says about it."""

    extension: str
    mime: str
    data: bytes
    sha256: str


def sample_files(count: int, seed: int) -> tuple[SampleFile, ...]:
    """The first ``count`` files, at most :data:`LIMIT`: 0 B to about 40 KB each."""
    rng = Random(f"{seed}/files")
    return tuple(_file(number, rng) for number in range(min(count, LIMIT)))


def _file(number: int, rng: Random) -> SampleFile:
    extension, mime, make = _FORMATS[number % len(_FORMATS)]
    data = b"" if number % _EMPTY_EVERY == _EMPTY_AT else make(rng)
    return SampleFile(extension, mime, data, hashlib.sha256(data).hexdigest())


def _prose(rng: Random) -> bytes:
    paragraphs = (" ".join(rng.choices(texts.SENTENCES, k=6)) for _ in range(rng.randrange(1, 60)))
    return ("\n\n".join(paragraphs) + "\n").encode()


def _markdown(rng: Random) -> bytes:
    return b"# Notes\n\n" + _prose(rng)


def _csv(rng: Random) -> bytes:
    lines = (f"{n};{rng.randrange(0, 41) / 4};{rng.choice(texts.SENTENCES)}" for n in range(rng.randrange(1, 400)))
    return ("\ufeffnumber;points;remark\r\n" + "\r\n".join(lines) + "\r\n").encode()


def _png(rng: Random) -> bytes:
    width, height = rng.randrange(16, 197), rng.randrange(16, 197)
    pixels = b"".join(b"\0" + rng.randbytes(width) for _ in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    # Stored, not compressed: every zlib writes the same bytes then.
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 0)) + chunk(b"IEND", b"")
    )


def _pdf(rng: Random) -> bytes:
    plain = [sentence for sentence in texts.SENTENCES if sentence.isascii() and not set(sentence) & set("()\\")]
    lines = "".join(f"({rng.choice(plain)}) ' " for _ in range(rng.randrange(5, 300)))
    stream = f"BT /F1 9 Tf 11 TL 40 800 Td {lines}ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    result, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(result))
        result += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(result))
    return result + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer


_FORMATS: tuple[tuple[str, str, Callable[[Random], bytes]], ...] = (
    ("pdf", "application/pdf", _pdf),
    ("txt", "text/plain", _prose),
    ("png", "image/png", _png),
    ("md", "text/markdown", _markdown),
    ("csv", "text/csv", _csv),
)
