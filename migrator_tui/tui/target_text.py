"""A target as a person writes it: one URL or single fields, two views of the same thing. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote

from rich.highlighter import Highlighter
from rich.text import Text

from migrator_tui.locations import EMBEDDED
from migrator_tui.model.errors import UsageError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.target import DEFAULT_PORT, Target

PLACEHOLDER = "[YOUR-PASSWORD]"
"""What Supabase writes into the URLs that it shows."""
_USER_AND_PASSWORD = re.compile(r"(postgres(?:ql)?://)([^:/@]*):(.*)@([^@]*)", re.IGNORECASE | re.DOTALL)
_MAYBE_PASSWORD = re.compile(r"postgres(?:ql)?://[^:/@?]*:(?!\d*(?:[/?]|$))(?P<secret>.*)", re.IGNORECASE)
_IN_QUERY = re.compile(r"password=(?P<secret>[^&]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields, as typed. ``parameters`` are those of the URL that have no field of their own."""

    host: str = ""
    port: str = str(DEFAULT_PORT)
    database: str = "postgres"
    user: str = "postgres"
    parameters: Mapping[str, str] = field(default_factory=dict)


def fields_of(url: str) -> Fields:
    """The fields of a URL.

    Raises:
        UsageError: ``TARGET-URL``.
    """
    target = Target.parse(url)
    return Fields(target.host, str(target.port), target.database, target.user, target.parameters)


def url_of(fields: Fields) -> str:
    """The URL of fields; every part is percent-encoded where it has to be.

    Raises:
        UsageError: ``TARGET-HOST``, ``TARGET-PORT`` or ``TARGET-URL``: a field cannot be.
    """
    host, port = fields.host.strip(), fields.port.strip() or str(DEFAULT_PORT)
    if not host:
        raise UsageError("TARGET-HOST", "No host is named.", "Supabase shows it under Connect; localhost is this one.")
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise UsageError("TARGET-PORT", "The port is not a number from 1 to 65535.", f"Usually it is {DEFAULT_PORT}.")
    user = fields.user.strip() or "postgres"
    target = Target(host, int(port), user, fields.database.strip() or user, None, fields.parameters)
    return Target.parse(target.display).display


def without_password(url: str) -> tuple[str, Secret | None]:
    """A URL with its password taken out, and the password.

    Percent-escapes in it are read as such wherever the whole of it makes sense so, as in every URL; one that was
    pasted with a bare ``@``, ``/`` or ``#`` in it is everything between the first colon and the last ``@``.
    """
    url = url.strip()
    found = _USER_AND_PASSWORD.fullmatch(url)
    if found is None:
        try:
            target = Target.parse(url)
        except UsageError:
            return url, None
        return (target.display, target.password) if target.password else (url, None)  # one among the parameters
    # Not as libpq reads it, which takes blanks off a password's end.
    scheme, user, password, place = found.groups()
    bare = f"{scheme}{user}@{place}"
    with suppress(UsageError):  # told where the URL is used
        bare = Target.parse(bare).display
    if password == PLACEHOLDER or not password:
        return bare, None
    whole = re.fullmatch(r"(?:[^%]|%[0-9A-Fa-f]{2})*", password, re.DOTALL)
    return bare, Secret(unquote(password) if whole else password)


def short(target: str) -> str:
    """``shop@db.example.com``, or ``embedded server``; a text that is no target as it is, without its password."""
    if target == EMBEDDED:
        return "embedded server"
    try:
        return Target.parse(target).label
    except UsageError:
        return without_password(target)[0]


class HidePassword(Highlighter):
    """Shows what is or may become the password of a URL as dots, while it is typed and after it was pasted."""

    def highlight(self, text: Text) -> None:
        """Put dots in place."""
        plain = text.plain
        for pattern in (_MAYBE_PASSWORD, _IN_QUERY):
            if found := pattern.search(plain):
                start, end = found.span("secret")
                if pattern is _MAYBE_PASSWORD and "@" in plain[start:end]:
                    end = plain.rindex("@", start, end)
                plain = plain[:start] + "•" * (end - start) + plain[end:]
        text.plain = plain
