"""What TLS says when a session cannot be encrypted or its server not be proven, with the next step.

The texts are libpq's and OpenSSL's; they come before any session, so there is no SQLSTATE to tell them by.
"""

from __future__ import annotations

import re

from migrator_tui.model.errors import TargetError
from migrator_tui.postgres.target import SUPABASE_CA_HINT, SUPABASE_HOST, Target

_OF_TLS = re.compile(r"\bSSL\b|certificate|sslmode|sslrootcert|\bTLS\b")
_LINK_ENDED = re.compile("SSL SYSCALL|SSL connection has been")
NAME_HINT = "Name the file of the authority that signed it with ?sslrootcert=FILE in the URL"
ENCRYPT_HINT = (
    "It takes encrypted sessions alone: say ?sslmode=verify-full&sslrootcert=FILE, with the file of the authority that "
    "signed its certificate, or ?sslmode=require, which encrypts without verifying who answers."
)


def tls_error(said: str, text: str, target: Target) -> TargetError | None:
    """The error of a session that TLS prevented; None where ``said`` is about something else.

    Args:
        said: All that the driver says.
        text: Its first line, without the password.
    """
    if not _OF_TLS.search(said) or _LINK_ENDED.search(said):
        return None
    return TargetError("TARGET-TLS", f"{target.label}: {text}.", _hint(said, target))


def _known_to(target: Target) -> str:
    if target.authority == "system":
        return "whom this machine trusts"
    return f"in {target.authority}" if target.authority else "who is trusted"


def _hint(said: str, target: Target) -> str:
    hosted = bool(SUPABASE_HOST.search(target.host))
    if "does not match host name" in said:
        return (
            "Whoever answers there has a certificate for another name: is the host right? Name the server as its "
            "certificate does; do not go on unverified unless you know who answers."
        )
    if "does not support SSL" in said:
        if hosted:
            return "Supabase's servers always speak TLS, so something else answers there: check host and port."
        return (
            "Switch TLS on there (ssl = on in postgresql.conf); or, on a network that you trust, say ?sslmode=disable."
        )
    if "certificate verify failed" in said:
        # The driver does not say which of the two it is.
        why = f"The certificate is signed by nobody {_known_to(target)}, or its time is over. "
        return why + (SUPABASE_CA_HINT if hosted else f"{NAME_HINT}; where a public one did, say sslrootcert=system.")
    if hosted:
        return SUPABASE_CA_HINT
    if "root certificate file" in said:
        return f"{NAME_HINT}."
    return "See sslmode and sslrootcert in the URL: ?sslmode=verify-full&sslrootcert=FILE encrypts and verifies."
