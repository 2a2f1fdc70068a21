"""Columns that nobody should read over the Data API: by their names, and by what their values are. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from migrator_tui.supabase.auth_hashes import classify

_NAMES = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"(^|_)(password|passwd|passphrase|pwd|pass|pw)(_?(hash|digest|salt|encrypted|reset.*))?$", "a password"),
        (r"(^|_)(encrypted|hashed)_(password|pwd|pw)$", "a password"),
        (r"(^|_)salt$", "a password's salt"),
        (r"(^|_)(token|secret|api_?key|access_?key|private_?key|secret_?key|auth_?key)(_hash)?$", "a secret"),
        (r"(^|_)(otp|totp|mfa|two_factor)(_.*)?$", "a second factor"),
        (r"(^|_)(recovery|backup)_codes?$", "a second factor"),
        (r"(^|_)(ssn|social_security(_number)?|passport(_number)?|tax_id)$", "a person's official number"),
        (r"(^|_)(credit_card|card_number|cvv|cvc|iban|account_number|routing_number)(_.*)?$", "a payment's number"),
    )
)
_SAFE = re.compile(r"(^|_)(count|max|total|used|limit|expires?|expiry|at|id|type|name|enabled|required|boarding)$")
"""How names end that speak of such a thing without holding it: ``token_expires``, ``password_changed_at``."""
_HASHES = {
    "bcrypt", "bcrypt-old", "bcrypt-sha256", "bcrypt-damaged", "argon2i", "argon2id", "argon2d", "argon2-other",
    "fbscrypt", "django-pbkdf2", "werkzeug-pbkdf2", "werkzeug-scrypt", "pbkdf2", "scrypt", "phpass", "crypt", "ldap",
}  # fmt: skip
"""Not plain digests, which are as often those of files."""
_TOKENS = re.compile(r"sk_(live|test)_\w{16,}|gh[pousr]_\w{30,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*|AKIA[0-9A-Z]{16}")


def sensitive(name: str) -> str | None:
    """What a column of that name would hold, in words; None where the name says nothing."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")
    if _SAFE.search(words):
        return None
    return next((what for pattern, what in _NAMES if pattern.search(words)), None)


def sensitive_values(values: Sequence[str]) -> str | None:
    """What some of a column's values are, in words, if every one is a password's hash, or a token of a known form."""
    if not values:
        return None
    if all(classify(value).kind in _HASHES for value in values):
        return "a password's hash"
    return "a secret token" if all(_TOKENS.fullmatch(value) for value in values) else None
