"""Which way into a project a target's URL is, and what is wrong with it before anything is sent. Pure.

A project has three ways in: the direct host (IPv6 unless the IPv4 add-on is bought), the shared pooler in session mode
(port 5432, IPv4) and in transaction mode (6543). Sources: supabase.com/docs/guides/database/connecting-to-postgres;
``supabase start`` listens on 54322, and its pooler on 54329.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlsplit

from migrator_tui.config_file import project_database
from migrator_tui.model.errors import UsageError
from migrator_tui.postgres.target import DEFAULT_PORT, SUPABASE_CA_HINT, SUPABASE_HOST, Target

TRANSACTION_PORT = 6543
LOCAL_DATABASE_PORT = 54322
LOCAL_POOLER_PORT = 54329
LOCAL_API_PORT = 54321
_DIRECT = re.compile(r"db\.(?P<ref>[a-z0-9]+)\.supabase\.co", re.IGNORECASE)
_POOLER = re.compile(r"(?P<place>[a-z]+-\d+-[a-z0-9-]+)\.pooler\.supabase\.com", re.IGNORECASE)
_API = re.compile(r"(?P<ref>[a-z0-9]+)\.supabase\.co", re.IGNORECASE)


class Kind(StrEnum):
    """The way in."""

    DIRECT = "direct"
    SESSION_POOLER = "session pooler"
    TRANSACTION_POOLER = "transaction pooler"
    LOCAL = "local"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Way:
    """What a target's URL says about the way in.

    Attributes:
        ref: The project's, where the URL names it.
        place: Of the pooler, as its host writes it: ``aws-0-eu-central-1``.
    """

    kind: Kind
    ref: str | None = None
    place: str | None = None

    @property
    def label(self) -> str:
        """In words, for a person."""
        where = f" in {self.place}" if self.place else ""
        whose = f" of the project {self.ref}" if self.ref else ""
        return {
            Kind.DIRECT: f"direct connection{whose}",
            Kind.SESSION_POOLER: f"session pooler{whose}{where}",
            Kind.TRANSACTION_POOLER: f"transaction pooler{whose}{where}",
            Kind.LOCAL: "local Supabase (supabase start)",
            Kind.PLAIN: "Postgres",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Problem:
    """What would not work, with the next step."""

    id: str
    message: str
    hint: str

    def as_error(self) -> UsageError:
        """The problem as an error."""
        return UsageError(self.id, self.message, self.hint)


def way_of(target: Target) -> Way:
    """The way in that a target is."""
    if found := _DIRECT.fullmatch(target.host):
        kind = Kind.TRANSACTION_POOLER if target.port == TRANSACTION_PORT else Kind.DIRECT
        return Way(kind, found["ref"].lower())
    if found := _POOLER.fullmatch(target.host):
        kind = Kind.TRANSACTION_POOLER if target.port == TRANSACTION_PORT else Kind.SESSION_POOLER
        return Way(kind, target.user.partition(".")[2] or None, found["place"].lower())
    if target.local and target.port == LOCAL_DATABASE_PORT:
        return Way(Kind.LOCAL)
    if target.local and target.port == LOCAL_POOLER_PORT:
        return Way(Kind.TRANSACTION_POOLER)
    return Way(Kind.PLAIN)


def ref_of_api(api: str) -> str | None:
    """The project's ref in its API's address; None for an address of one's own domain, or a local one."""
    found = _API.fullmatch(urlsplit(api).hostname or "")
    return found["ref"].lower() if found else None


def built(ref: str, region: str | None = None) -> Target:
    """The target of a project (:func:`~migrator_tui.config.project_database`).

    Raises:
        UsageError: ``TARGET-PROJECT-REF``: no project or region is written so.
    """
    try:
        return Target.parse(project_database(ref, region))
    except ValueError as error:
        raise UsageError(
            "TARGET-PROJECT-REF",
            f"The project {ref!r}, region {region!r}: {error}",
            "Check target in the configuration.",
        ) from None


def in_session_mode(target: Target) -> Target:
    """The same database by sessions of one's own: port 5432 instead of the transaction pooler's."""
    if way_of(target).kind is not Kind.TRANSACTION_POOLER:
        return target
    return replace(target, port=LOCAL_DATABASE_PORT if target.port == LOCAL_POOLER_PORT else DEFAULT_PORT)


def by_pooler(target: Target, region: str | None) -> str:
    """The URL of the session pooler for a direct host; with ``<region>`` in it where the region is not known."""
    ref = way_of(target).ref
    assert ref is not None
    if region is not None:
        pooler = built(ref, region)
        role = target.user.partition(".")[0]
        return replace(pooler, user=f"{role}.{ref}", database=target.database, parameters=target.parameters).display
    return f"postgresql://{target.user.partition('.')[0]}.{ref}@aws-0-<region>.pooler.supabase.com:5432/postgres"


def problems(target: Target, *, api: str | None = None, region: str | None = None) -> Iterator[Problem]:
    """What is wrong with a target, the worst first; nothing for a plain Postgres server without a project's API."""
    way = way_of(target)
    if way.place is not None and way.ref is None:
        ref = (ref_of_api(api) if api else None) or "<ref>"
        told = replace(target, user=f"{target.user}.{ref}").display if ref != "<ref>" else f"{target.user}.<ref>@…"
        yield Problem(
            "TARGET-POOLER-USER",
            f"The pooler serves many projects: its user is {target.user}.<ref>, and the URL says {target.user}.",
            f"Write {told}; the ref is the part before .supabase.co in the project's address.",
        )
    if way.kind is Kind.DIRECT and (wrong := target.user.partition(".")[2]):
        role = target.user.removesuffix(f".{wrong}")
        yield Problem(
            "TARGET-DIRECT-USER",
            f"{target.user} is how the pooler's users are written; the direct host knows {role}.",
            f"Write {replace(target, user=role).display}.",
        )
    if way.kind is Kind.TRANSACTION_POOLER:
        session = in_session_mode(target)
        yield Problem(
            "TARGET-TRANSACTION-POOLER",
            f"Port {target.port} is the transaction pooler, where each transaction may meet another session: what a "
            "session is set to, its temporary tables and its locks are lost between them, and a run needs them.",
            f"Use session mode, {session.display}, or say --session-pooler to have it rewritten so.",
        )
    yield from _of_the_project(target, way, api)
    if SUPABASE_HOST.search(target.host) and target.verifies and not target.authority:
        yield Problem(
            "TARGET-CA",
            f"No certificate authority is known for {target.host}, so who answers there cannot be verified.",
            SUPABASE_CA_HINT,
        )


def _of_the_project(target: Target, way: Way, api: str | None) -> Iterator[Problem]:
    """Rows must not go to one project and users and files to another."""
    if api is None:
        return
    theirs = ref_of_api(api)
    address = urlsplit(api)
    if way.ref is not None and theirs is not None and way.ref != theirs:
        yield Problem(
            "TARGET-PROJECT",
            f"The database is of the project {way.ref}, and the API of {theirs}.",
            "Give the address and the URL of one project.",
        )
    here = address.hostname in ("localhost", "127.0.0.1", "::1") and address.port == LOCAL_API_PORT
    if (way.kind is Kind.LOCAL and theirs is not None) or (here and way.ref is not None):
        mine, other = (
            ("on this machine", f"of the project {theirs}") if theirs else (f"of the project {way.ref}", "local")
        )
        yield Problem(
            "TARGET-PROJECT",
            f"The database is {mine}, and the API is {other}.",
            "Give the address and the URL of one project.",
        )


def without_route(target: Target, region: str | None) -> Problem:
    """The problem of a direct host on a machine that no IPv6 route leads out of."""
    where = "" if region else " (the dashboard shows it under Connect)"
    return Problem(
        "TARGET-NO-IPV6",
        f"{target.host} has an IPv6 address alone, and no IPv6 route leads out of this machine.",
        f"Use the session pooler, which answers over IPv4: {by_pooler(target, region)}{where}; or buy the project's "
        "IPv4 add-on.",
    )
