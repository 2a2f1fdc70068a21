"""Password hashes as Auth takes and checks them: bcrypt, argon2i/argon2id and Firebase's scrypt."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

import bcrypt

_ARGON = re.compile(
    r"\$(?P<kind>argon2(?:d|i|id))\$v=(?P<v>16|19)\$m=(?P<m>[0-9]+),t=(?P<t>[0-9]+),p=(?P<p>[0-9]+)"
    r"(?:,keyid=(?P<keyid>[^,$]+))?(?:,data=(?P<data>[^$]+))?\$(?P<salt>[^$]*)\$(?P<hash>.*)"
)
_FIREBASE = re.compile(
    r"\$fbscrypt\$v=(?P<v>[0-9]+),n=(?P<n>[0-9]+),r=(?P<r>[0-9]+),p=(?P<p>[0-9]+)"
    r"(?:,ss=(?P<ss>[^,]+))?(?:,sk=(?P<sk>[^$]+))?\$(?P<salt>[^$]+)\$(?P<hash>.+)"
)
_BCRYPT = re.compile(r"\$2(?P<minor>.)?\$(?P<cost>[0-9]{2})\$.{53,}", re.DOTALL)
LONGEST_BCRYPT_PASSWORD = 72


class HashRefused(Exception):
    """It is no hash that Auth takes."""


def check_form(text: str) -> None:
    """Look whether Auth would take a hash for a new user.

    As ``NewUserWithPasswordHash`` of supabase/auth: what is neither argon2 nor fbscrypt must be bcrypt, whatever its
    minor version.

    Raises:
        HashRefused: It would not.
    """
    if text.startswith("$argon2"):
        _argon(text)
    elif text.startswith("$fbscrypt"):
        _firebase(text)
    else:
        found = _BCRYPT.fullmatch(text)
        if not found or not 4 <= int(found["cost"]) <= 31:
            raise HashRefused("crypto/bcrypt: hashedSecret is not a bcrypt hash")


def matches(password: str, text: str) -> bool:
    """Whether a password is the one of a hash.

    Raises:
        HashRefused: The hash is none that Auth can check: it answers a sign-in with an error then.
    """
    check_form(text)
    if text.startswith("$argon2"):
        return _matches_argon(password, text)
    if text.startswith("$fbscrypt"):
        return _matches_firebase(password, text)
    try:
        # Go's bcrypt reads any minor version as the same algorithm.
        canonical = re.sub(r"^\$2.?\$", "$2b$", text)[:60]
        return bcrypt.checkpw(password.encode()[:LONGEST_BCRYPT_PASSWORD], canonical.encode())
    except ValueError as error:
        raise HashRefused(str(error)) from error


def new(password: str) -> str:
    """A bcrypt hash, at the lowest cost: it guards only a stand-in."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a")).decode()


def _argon(text: str) -> re.Match[str]:
    found = _ARGON.fullmatch(text)
    if not found:
        raise HashRefused("crypto: incorrect argon2 hash format")
    if found["kind"] == "argon2d":
        raise HashRefused("crypto: argon2 hash uses unsupported algorithm argon2d only argon2i and argon2id supported")
    if found["v"] != "19":
        raise HashRefused(f"crypto: argon2 hash uses unsupported version {found['v']} only 19 is supported")
    if found["data"] or found["keyid"]:
        raise HashRefused("crypto: argon2 hashes with the keyid or data parameter are not supported")
    _unpadded(found["salt"])
    _unpadded(found["hash"])
    return found


def _matches_argon(password: str, text: str) -> bool:
    from cryptography.hazmat.primitives.kdf import argon2

    found = _argon(text)
    expected = _unpadded(found["hash"])
    kind = argon2.Argon2id if found["kind"] == "argon2id" else argon2.Argon2i
    derived = kind(
        salt=_unpadded(found["salt"]),
        length=len(expected),
        iterations=int(found["t"]),
        lanes=int(found["p"]),
        memory_cost=int(found["m"]),
    ).derive(password.encode())
    return hmac.compare_digest(derived, expected)


def _firebase(text: str) -> re.Match[str]:
    found = _FIREBASE.fullmatch(text)
    if not found:
        raise HashRefused("crypto: incorrect scrypt hash format")
    if found["v"] != "1":
        raise HashRefused(
            f"crypto: Firebase scrypt hash uses unsupported version {found['v']} only version 1 is supported"
        )
    if not 0 < int(found["n"]) < 32:
        raise HashRefused(f"crypto: Firebase scrypt hash uses unsupported n parameter {found['n']}")
    for part in ("ss", "sk", "salt", "hash"):
        _padded(found[part] or "")
    return found


def _matches_firebase(password: str, text: str) -> bool:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    found = _firebase(text)
    cost, block = 1 << int(found["n"]), int(found["r"])
    key = hashlib.scrypt(
        password.encode(),
        salt=_padded(found["salt"]) + _padded(found["ss"] or ""),
        n=cost,
        r=block,
        p=int(found["p"]),
        dklen=32,
        maxmem=256 * cost * block + (1 << 20),
    )
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return hmac.compare_digest(encryptor.update(_padded(found["sk"] or "")), _padded(found["hash"]))


def _unpadded(text: str) -> bytes:
    return _decoded(text + "=" * (-len(text) % 4) if "=" not in text else "!")


def _padded(text: str) -> bytes:
    return _decoded(text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HashRefused("crypto: hash has a part that is not base64") from error
