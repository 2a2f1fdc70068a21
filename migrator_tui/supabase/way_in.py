"""The way in that a person named, made fit before anything is sent: refused with the next step, or changed by wish."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from migrator_tui.postgres.target import Target
from migrator_tui.supabase.connection_kinds import Kind, in_session_mode, problems, way_of, without_route

SOME_IPV6_ADDRESS = "2001:db8::1"
"""Of the range for documentation: asking the way there sends nothing, and it leads where every other goes."""


def fit(
    target: Target,
    *,
    api: str | None = None,
    region: str | None = None,
    to_session_mode: Callable[[Target, Target], bool] = lambda given, instead: False,
) -> Target:
    """The target that can be connected to: itself, or in session mode where the person agrees.

    Args:
        api: The address of the project's API, where one is named.
        region: Of the project, where it is known.
        to_session_mode: Asked where the target is a transaction pooler, with it and with what it would be instead.

    Raises:
        UsageError: What is wrong with it (:func:`~migrator_tui.supabase.connection_kinds.problems`), or
            ``TARGET-NO-IPV6``.
    """
    if way_of(target).kind is Kind.TRANSACTION_POOLER:
        instead = in_session_mode(target)
        if to_session_mode(target, instead):
            target = instead
    for problem in problems(target, api=api, region=region):
        raise problem.as_error()
    if way_of(target).kind is Kind.DIRECT and only_by_ipv6(target) and not ipv6_leads_out():
        raise without_route(target, region).as_error()
    return target


def only_by_ipv6(target: Target) -> bool:
    """Whether a host has an IPv6 address and no other; one that is not found is the connection's to tell."""
    try:
        found = {family for family, *_ in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    return found == {socket.AF_INET6}


def ipv6_leads_out() -> bool:
    """Whether this machine has an IPv6 route to the world. Sends nothing."""
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.connect((SOME_IPV6_ADDRESS, 53))
        return True
    return False
