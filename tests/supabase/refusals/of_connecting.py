"""What keeps a person from getting in: the URL, TLS, and the pooler."""

from __future__ import annotations

import socket
from dataclasses import replace
from unittest.mock import patch

from migrator_tui.demo.project.pooler import MOST_FAILURES
from migrator_tui.model.errors import TargetError
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.supabase import way_in
from migrator_tui.supabase.way_in import fit
from tests.postgres.tls_server import DIRECT
from tests.supabase.refusals.words import Scene, Told, refusals_of

POOLER = "aws-0-eu-central-1.pooler.supabase.com"
API = "https://abcdefghijklmnopqrst.supabase.co"

IN_URLS, url = refusals_of("URL")
IN_TLS, tls = refusals_of("TLS")
BY_POOLERS, pooler = refusals_of("Pooler")


@url("the direct host is IPv6 unless the add-on is bought", "TARGET-NO-IPV6", "Use the session pooler")
def _no_route(scene: Scene) -> Told | None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::7", 5432, 0, 0))]
    with patch.object(socket, "getaddrinfo", return_value=found), patch.object(way_in, "ipv6_leads_out", lambda: False):
        fit(Target.parse(f"postgresql://postgres@{DIRECT}/postgres?sslmode=require"), region="eu-central-1")
    return None


@url("the pooler's user is postgres.<ref>", "TARGET-POOLER-USER", "postgres.abcdefghijklmnopqrst@")
def _user(scene: Scene) -> Told | None:
    fit(Target.parse(f"postgresql://postgres@{POOLER}:5432/postgres"), api=API)
    return None


@url("6543 is transaction mode", "TARGET-TRANSACTION-POOLER", "--session-pooler")
def _transactions(scene: Scene) -> Told | None:
    fit(Target.parse(f"postgresql://postgres.abcdefghijklmnopqrst@{POOLER}:6543/postgres"), api=API)
    return None


@url("the password is percent-encoded", "TARGET-URL", "%40 %23 %2F %25")
def _encoding(scene: Scene) -> Told | None:
    Target.parse(f"postgresql://postgres:p@ss/word@{DIRECT}:5432/postgres")
    return None


@url("the refs of API URL and database agree", "TARGET-PROJECT", "one project")
def _projects(scene: Scene) -> Told | None:
    fit(Target.parse(f"postgresql://postgres.zzzzzzzzzzzzzzzzzzzz@{POOLER}:5432/postgres"), api=API)
    return None


@url("verify-full by default takes the CA", "TARGET-CA", "Download the certificate")
def _authority(scene: Scene) -> Told | None:
    fit(Target.parse(f"postgresql://postgres.abcdefghijklmnopqrst@{POOLER}:5432/postgres"), api=API)
    return None


@tls("a certificate that another CA signed", "TARGET-TLS", "signed by nobody in")
def _stranger(scene: Scene) -> Told | None:
    connect(scene.tls.target(DIRECT, sslrootcert=str(scene.tls.stranger.file))).close()
    return None


@tls("a certificate for another host", "TARGET-TLS", "is the host right?")
def _other_host(scene: Scene) -> Told | None:
    connect(scene.tls.target("db.zzz.supabase.co", sslrootcert=str(scene.tls.authority.file))).close()
    return None


@tls("sslrootcert=system does not know the private CA", "TARGET-TLS", "Download the certificate")
def _system(scene: Scene) -> Told | None:
    connect(scene.tls.target(DIRECT, sslmode="verify-full", sslrootcert="system")).close()
    return None


@tls("a server that speaks no TLS", "TARGET-TLS", "something else answers there")
def _plain(scene: Scene) -> Told | None:
    # The pooler's stand-in declines TLS, whatever name it goes by.
    target = replace(scene.by_pooler(), host=DIRECT, parameters={"hostaddr": "127.0.0.1", "sslmode": "require"})
    connect(target).close()
    return None


@pooler("(ENOTFOUND) tenant/user not found", "TARGET-ROLE", "project's ref in the user name")
def _not_found(scene: Scene) -> Told | None:
    connect(scene.by_pooler(ref="zzzzzzzzzzzzzzzzzzzz")).close()
    return None


@pooler("(EMAXCONNSESSION)", "TARGET-CONNECTIONS", "end what need not be open")
def _sessions(scene: Scene) -> Told | None:
    before, scene.pooler.most_sessions = scene.pooler.most_sessions, 1
    try:
        with connect(scene.by_pooler()):
            connect(scene.by_pooler()).close()
    finally:
        scene.pooler.most_sessions = before
    return None


@pooler("(EADDRNOTALLOWED): network restrictions", "TARGET-REFUSED", "network restrictions in the dashboard")
def _address(scene: Scene) -> Told | None:
    scene.pooler.allowed = False
    try:
        connect(scene.by_pooler()).close()
    finally:
        scene.pooler.allowed = True
    return None


@pooler("(ESSLREQUIRED)", "TARGET-TLS", "?sslmode=require")
def _encrypted(scene: Scene) -> Told | None:
    scene.pooler.requires_ssl = True
    try:
        connect(scene.by_pooler()).close()
    finally:
        scene.pooler.requires_ssl = False
    return None


@pooler("28P01: never retried by itself", "TARGET-PASSWORD", "nothing was retried")
def _password(scene: Scene) -> Told | None:
    connect(scene.by_pooler("wrong")).close()
    return None


@pooler("(ECIRCUITBREAKER) blocked until", "TARGET-BLOCKED", "Each attempt before extends it")
def _blocked(scene: Scene) -> Told | None:
    for _ in range(MOST_FAILURES):
        try:
            connect(scene.by_pooler("wrong")).close()
        except TargetError as error:
            if error.id == "TARGET-BLOCKED":
                break
    try:
        connect(scene.by_pooler()).close()
    finally:
        scene.pooler.blocked_until = 0.0
    return None
