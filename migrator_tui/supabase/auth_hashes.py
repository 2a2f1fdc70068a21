"""Password hashes: which ones Supabase Auth takes as they are, and why the others need a password reset.

Auth verifies bcrypt, argon2i and argon2id of version 19, and Firebase's scrypt, and refuses every other hash when a
user is created; one that it takes but cannot read would shut the user out. The limits here are those of its parser.

Source: supabase/auth, ``internal/crypto/password.go`` and ``internal/models/user.go``.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

LONGEST = 255
"""Characters that ``auth.users.encrypted_password`` takes."""
NO_PASSWORD = "none"

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_ARGON2 = re.compile(r"\$argon2(?:i|id)\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,3})\$([^$]+)\$([^$]+)", re.ASCII)
_FIREBASE = re.compile(
    r"\$fbscrypt\$v=1,n=(\d{1,9}),r=(\d{1,19}),p=(\d{1,3})(?:,ss=([^,$]+))?(?:,sk=([^$]+))?\$([^$]+)\$(.+)",
    re.ASCII,
)
_WRAPPED = re.compile(r"(?:bcrypt\$|argon2|\{CRYPT\})(?=\$)")
"""What Django and LDAP write before a hash that is otherwise as Auth takes it."""

_OTHERS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, name)
    for pattern, kind, name in (
        (r"\$2x?\$", "bcrypt-old", "bcrypt of a faulty old version ($2$ or $2x$)"),
        (r"\$2[aby]\$", "bcrypt-damaged", "bcrypt, but damaged or cut off"),
        (r"bcrypt_sha256\$|\$bcrypt-sha256\$", "bcrypt-sha256", "bcrypt of a SHA-256 digest"),
        (r"\$argon2d\$", "argon2d", "argon2d"),
        (r"\$argon2", "argon2-other", "argon2 of another version, or with parameters beyond Auth's limits"),
        (r"\$fbscrypt\$", "fbscrypt-damaged", "Firebase scrypt without parameters that Auth can read"),
        (r"pbkdf2_sha\d+\$", "django-pbkdf2", "Django's PBKDF2"),
        (r"pbkdf2:sha\d+", "werkzeug-pbkdf2", "Werkzeug's PBKDF2"),
        (r"scrypt:\d+:\d+:\d+\$", "werkzeug-scrypt", "Werkzeug's scrypt"),
        (r"\$?pbkdf2", "pbkdf2", "PBKDF2"),
        (r"\$?scrypt\$|\$7\$", "scrypt", "scrypt"),
        (r"\$[PH]\$|\$S\$", "phpass", "a portable PHP hash"),
        (r"\$(?:1|apr1|5|6|y|gy|md5|sha1)\$", "crypt", "a hash of the operating system's crypt"),
        (r"\{S?(?:MD5|SHA\d*)\}", "ldap", "an LDAP digest"),
        (r"(?:sha\d*|s?md5)[$:]", "digest", "a plain SHA or MD5 digest"),
        (r"[0-9a-f]{32}\Z", "md5", "an MD5 digest"),
        (r"\*?[0-9a-f]{40}\Z", "sha1", "a SHA-1 digest"),
        (r"(?:[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})\Z", "sha2", "a SHA-2 digest"),
    )
)


@dataclass(frozen=True, slots=True)
class HashClass:
    """What a stored hash is.

    Attributes:
        kind: Short stable name, such as ``bcrypt`` or ``django-pbkdf2``; ``none`` where there is no password.
        usable: The hash as Auth takes it, or None where the user needs a password reset.
        reason: Why a reset is needed, in words that never repeat the hash; empty where none is.
    """

    kind: str
    usable: str | None = field(default=None, repr=False)
    reason: str = ""

    @property
    def importable(self) -> bool:
        """The user signs in with the password that they have."""
        return self.usable is not None


def classify(stored: object) -> HashClass:
    """What a stored value is; any value of a source's column may come, bytes included."""
    if isinstance(stored, (bytes, bytearray, memoryview)):
        text = bytes(stored).decode("ascii", "replace")
    elif stored is None:
        text = ""
    else:
        text = str(stored)
    text = text.strip()
    if not text or text.startswith("!"):  # Django's mark of a password that nobody has
        return HashClass(NO_PASSWORD, reason="no password is stored")
    bare = _WRAPPED.sub("", text, count=1) if _WRAPPED.match(text) else text
    if len(bare) > LONGEST:
        return HashClass("too-long", reason=f"the hash is longer than the {LONGEST} characters that Auth keeps")
    if found := _usable(bare):
        return HashClass(found, bare)
    for pattern, kind, name in _OTHERS:
        if pattern.match(bare):
            return HashClass(kind, reason=f"{name} is none of the hashes that Auth takes")
    return HashClass("unknown", reason="it is no hash that is known; it may be the password itself")


def _usable(text: str) -> str | None:
    if found := _BCRYPT.fullmatch(text):
        return "bcrypt" if 4 <= int(found[1]) <= 31 else None
    if found := _ARGON2.fullmatch(text):
        memory, rounds, threads = (int(found[number]) for number in (1, 2, 3))
        within = memory <= 1024 * 1024 and 1 <= rounds <= 20 and 1 <= threads <= 16
        whole = _is_base64(found[4], padded=False) and _is_base64(found[5], padded=False)
        return text.split("$")[1] if within and whole else None
    if found := _FIREBASE.fullmatch(text):
        numbers = int(found[1]) in range(1, 32) and int(found[2]) > 0 and 0 < int(found[3]) < 256
        whole = all(_is_base64(part, padded=True) for part in found.groups()[3:] if part)
        # Without the project's signer key there is nothing to compare with.
        return "fbscrypt" if numbers and whole and found[5] else None
    return None


def _is_base64(text: str, *, padded: bool) -> bool:
    if not padded and (text.endswith("=") or len(text) % 4 == 1):
        return False
    try:
        return bool(base64.b64decode(text if padded else text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        return False
