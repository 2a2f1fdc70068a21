"""Limits of a bucket as people write them. ``10 MB`` is 10,000,000 bytes, as Supabase counts them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_size(text: str) -> int:
    """Bytes of a size such as ``500 kB``, ``1.5MB`` or ``4096``.

    Raises:
        ValueError: It is none, or less than a byte.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if found is None or found[2].lower() not in _UNITS:
        raise ValueError("expected a size, such as 10 MB.")
    size = int(float(found[1]) * _UNITS[found[2].lower()])
    if size < 1:
        raise ValueError("expected a size of at least a byte.")
    return size


def is_mime_pattern(text: str) -> bool:
    """Whether this names types of files as a bucket lists them: ``image/*``, ``application/pdf``."""
    return re.fullmatch(r"[\w.+-]+/(\*|[\w.+-]+)|\*/\*", text) is not None
