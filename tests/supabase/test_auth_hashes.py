"""Which password hashes are taken over, and which users need a reset."""

from __future__ import annotations

import hashlib
import re

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.demo import passwords
from migrator_tui.supabase.auth_hashes import NO_PASSWORD, classify

BCRYPT = "$2b$05$WzoZlBhhXZGWuWTzlz0/4uEaToKS5Z7qvbcz3KshUa7GkvB805wBW"
ARGON2 = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$dGhpcyBpcyBhIHJhdyBoYXNo"
FIREBASE = (
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g"
    "6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=="
)


@pytest.mark.parametrize(
    ("stored", "kind", "usable"),
    [
        (BCRYPT, "bcrypt", BCRYPT),
        (BCRYPT.replace("$2b$", "$2a$"), "bcrypt", BCRYPT.replace("$2b$", "$2a$")),
        (BCRYPT.replace("$2b$", "$2y$"), "bcrypt", BCRYPT.replace("$2b$", "$2y$")),
        (BCRYPT.encode(), "bcrypt", BCRYPT),
        (f" {BCRYPT}\n", "bcrypt", BCRYPT),
        (f"bcrypt${BCRYPT}", "bcrypt", BCRYPT),
        (f"{{CRYPT}}{BCRYPT}", "bcrypt", BCRYPT),
        (ARGON2, "argon2id", ARGON2),
        (ARGON2.replace("2id", "2i"), "argon2i", ARGON2.replace("2id", "2i")),
        (f"argon2{ARGON2}", "argon2id", ARGON2),
    ],
)
def test_a_hash_that_auth_verifies_is_taken_over_as_auth_writes_it(stored: object, kind: str, usable: str) -> None:
    found = classify(stored)
    assert (found.kind, found.usable, found.reason) == (kind, usable, "")


def test_firebase_scrypt_is_taken_where_its_signer_key_and_parameters_are_there() -> None:
    assert classify(FIREBASE).usable == FIREBASE
    for damaged in (
        re.sub(r",sk=[^$]+", "", FIREBASE),
        FIREBASE.replace("n=14", "n=0"),
        FIREBASE.replace("v=1", "v=2"),
        FIREBASE.replace("ss=Bw==", "ss=Bw"),
    ):
        assert classify(damaged).kind == "fbscrypt-damaged"


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ("pbkdf2_sha256$600000$salt$aGFzaA==", "django-pbkdf2"),
        ("pbkdf2:sha256:600000$salt$" + "ab" * 32, "werkzeug-pbkdf2"),
        ("scrypt:32768:8:1$salt$" + "ab" * 64, "werkzeug-scrypt"),
        ("$pbkdf2-sha256$29000$c2FsdA$aGFzaA", "pbkdf2"),
        ("scrypt$c2FsdA$16384$8$1$aGFzaA", "scrypt"),
        ("bcrypt_sha256$" + BCRYPT, "bcrypt-sha256"),
        (BCRYPT.replace("$2b$", "$2x$"), "bcrypt-old"),
        (BCRYPT[:-3], "bcrypt-damaged"),
        (BCRYPT.replace("$05$", "$03$"), "bcrypt-damaged"),
        (ARGON2.replace("2id", "2d"), "argon2d"),
        (ARGON2.replace("v=19", "v=16"), "argon2-other"),
        (ARGON2.replace("m=65536", "m=2097152"), "argon2-other"),
        (ARGON2.replace("t=3", "t=21"), "argon2-other"),
        (ARGON2.replace("t=3", "t=0"), "argon2-other"),
        (ARGON2.replace("p=4", "p=17"), "argon2-other"),
        (ARGON2.replace("p=4", "p=4,keyid=a"), "argon2-other"),
        (ARGON2 + "=", "argon2-other"),
        ("$6$salt$hash", "crypt"),
        ("$P$BIRXVj/ZG0YRiBH8gnRy0chBx67WuK/", "phpass"),
        ("{SSHA}aGFzaA==", "ldap"),
        ("sha1$salt$abcdef", "digest"),
        (hashlib.md5(b"x").hexdigest(), "md5"),
        (hashlib.sha1(b"x").hexdigest().upper(), "sha1"),
        (hashlib.sha256(b"x").hexdigest(), "sha2"),
        (hashlib.sha512(b"x").hexdigest(), "sha2"),
        ("hunter2", "unknown"),
        (12345, "unknown"),
        (None, NO_PASSWORD),
        ("", NO_PASSWORD),
        ("  ", NO_PASSWORD),
        ("!pGmX0xCXYbOBCWbTaOvRKrYvBWrxY2Pc", NO_PASSWORD),
        ("a" * 256, "too-long"),
    ],
)
def test_any_other_hash_asks_for_a_reset_and_says_why_without_repeating_it(stored: object, kind: str) -> None:
    found = classify(stored)
    assert (found.kind, found.usable) == (kind, None)
    assert found.reason
    assert not stored or not str(stored).strip() or str(stored) not in found.reason


def test_the_samples_hashes_are_taken_over_and_verify_their_passwords() -> None:
    for index, stored in enumerate(passwords.HASHES):
        usable = classify(stored).usable
        assert usable is not None
        assert bcrypt.checkpw(passwords.password(index).encode(), usable.encode())


def test_a_hash_is_not_printed_with_its_class() -> None:
    assert BCRYPT not in repr(classify(BCRYPT))


@given(st.one_of(st.none(), st.integers(), st.floats(), st.binary(max_size=80), st.text(max_size=300)))
def test_any_stored_value_is_either_usable_or_has_a_reason(stored: object) -> None:
    found = classify(stored)
    assert found.importable != bool(found.reason)
