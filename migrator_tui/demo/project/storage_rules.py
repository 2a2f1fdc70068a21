"""What Storage takes: keys, bucket names, sizes and types."""

from __future__ import annotations

import re
from typing import Any

from migrator_tui.demo.project import storage_errors as errors

_KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$@=;:+,?-]+")
_BUCKET = re.compile(r"[A-Za-z0-9_!.*'() &$@=;:+,?-]{1,100}")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(gb|mb|kb|b)", re.IGNORECASE)
_UNITS = {"gb": 1e9, "mb": 1e6, "kb": 1e3, "b": 1.0}
_MIME = re.compile(r"([a-zA-Z0-9\-+.]+)/([a-zA-Z0-9\-+.]+)(;\s*charset=[a-zA-Z0-9\-]+)?$|.*\*$")
EMPTY_FOLDER = ".emptyFolderPlaceholder"


def check_key(key: str) -> None:
    """Refuse a key with a character outside the alphabet.

    Raises:
        StorageError: InvalidKey.
    """
    if not _KEY.fullmatch(key):
        raise errors.invalid_key(key)


def check_bucket_name(name: str) -> None:
    """Refuse a bucket's name that is too long, or has a character outside the alphabet.

    Raises:
        StorageError: InvalidBucketName.
    """
    if not _BUCKET.fullmatch(name) or name != name.strip() or name.endswith("--iceberg"):
        raise errors.invalid_bucket_name()


def size_limit(given: Any, most: int) -> int | None:
    """A bucket's limit in bytes, from a number or ``"10MB"`` (10,000,000 bytes).

    Raises:
        StorageError: It cannot be read, or is more than the project allows.
    """
    if given is None:
        return None
    if isinstance(given, str) and not given.isdecimal():
        found = _SIZE.fullmatch(given)
        if not found:
            raise errors.invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
        given = float(f"{float(found[1]):.3g}") * _UNITS[found[2].lower()]
    try:
        limit = int(given)
    except (TypeError, ValueError) as error:
        raise errors.invalid_request("body/file_size_limit must be integer") from error
    if limit > most:
        raise errors.too_large()
    return limit


def mime_types(given: Any) -> list[str] | None:
    """The types that a bucket is to take.

    Raises:
        StorageError: One of them is none.
    """
    if given is None:
        return None
    if not isinstance(given, list):
        raise errors.invalid_request("body/allowed_mime_types must be array")
    kinds = [str(kind) for kind in given if kind]
    for kind in kinds:
        if len(kind) > 1000 or not _MIME.match(kind):
            raise errors.wrong_mime_type(kind)
    return kinds


def check_mime_type(kind: str, allowed: list[str] | None) -> None:
    """Refuse a file of a type that the bucket does not take.

    Raises:
        StorageError: invalid_mime_type.
    """
    if not allowed:
        return
    parts = kind.split("/")
    if len(parts) > 1:
        for one in allowed:
            type_, _, subtype = one.partition("/")
            if type_ == parts[0] and subtype.split("/")[0] in ("*", parts[1]):
                return
    raise errors.wrong_mime_type(kind)
