"""The ways into a project: recognised, checked before anything is sent, and made fit."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import conninfo

from migrator_tui.model.errors import UsageError
from migrator_tui.postgres.target import CA_FILE, Target
from migrator_tui.supabase import way_in
from migrator_tui.supabase.connection_kinds import Kind, Way, built, by_pooler, in_session_mode, problems, way_of
from migrator_tui.supabase.way_in import fit

POOLER = "aws-0-eu-central-1.pooler.supabase.com"
API = "https://abcd.supabase.co"
REFS = st.from_regex(r"[a-z0-9]{4,20}", fullmatch=True)
REGIONS = st.sampled_from(["eu-central-1", "us-east-2", "ap-southeast-1", "ca-central-1"])


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("postgresql://postgres@db.abcd.supabase.co:5432/postgres", Way(Kind.DIRECT, "abcd")),
        ("postgresql://postgres@DB.ABCD.Supabase.co/postgres", Way(Kind.DIRECT, "abcd")),
        ("postgresql://postgres@db.abcd.supabase.co:6543/postgres", Way(Kind.TRANSACTION_POOLER, "abcd")),
        (f"postgresql://postgres.abcd@{POOLER}/postgres", Way(Kind.SESSION_POOLER, "abcd", "aws-0-eu-central-1")),
        (f"postgresql://postgres.abcd@{POOLER}:6543/x", Way(Kind.TRANSACTION_POOLER, "abcd", "aws-0-eu-central-1")),
        (f"postgresql://postgres@{POOLER}:5432/postgres", Way(Kind.SESSION_POOLER, None, "aws-0-eu-central-1")),
        ("postgresql://postgres:postgres@127.0.0.1:54322/postgres", Way(Kind.LOCAL)),
        ("postgresql://postgres@localhost:54329/postgres", Way(Kind.TRANSACTION_POOLER)),
        ("postgresql://postgres@example.com:54322/postgres", Way(Kind.PLAIN)),
        ("postgresql://postgres@db.abcd.supabase.co.example.com/postgres", Way(Kind.PLAIN)),
        ("postgresql://me@localhost:6543/shop", Way(Kind.PLAIN)),
    ],
)
def test_the_way_in_is_recognised_from_the_url(url: str, way: Way) -> None:
    assert way_of(Target.parse(url)) == way


@given(REFS, REGIONS, st.sampled_from(["", "aws-0-", "aws-1-"]))
def test_what_is_built_from_ref_and_region_is_recognised_as_that_project(ref: str, region: str, place: str) -> None:
    pooler = built(ref, f"{place}{region}")
    assert way_of(pooler) == Way(Kind.SESSION_POOLER, ref, f"{place or 'aws-0-'}{region}")
    assert way_of(built(ref)) == Way(Kind.DIRECT, ref)
    assert by_pooler(built(ref), f"{place}{region}") == pooler.display
    assert not [p for p in problems(pooler, api=f"https://{ref}.supabase.co") if p.id != "TARGET-CA"]


@pytest.mark.parametrize(
    ("ref", "region"), [("a b", None), ("", None), ("abcd", "Frankfurt"), ("abcd", "eu-central-1/x")]
)
def test_what_is_no_ref_or_region_is_refused(ref: str, region: str | None) -> None:
    with pytest.raises(UsageError, match=r"TARGET|project") as caught:
        built(ref, region)
    assert caught.value.id == "TARGET-PROJECT-REF"


def ids(url: str, api: str | None = None) -> list[str]:
    """The problems of a URL, apart from a certificate that nobody gave."""
    return [problem.id for problem in problems(Target.parse(url), api=api) if problem.id != "TARGET-CA"]


@pytest.mark.parametrize(
    ("url", "api", "found"),
    [
        (f"postgresql://postgres@{POOLER}:5432/postgres", API, ["TARGET-POOLER-USER"]),
        ("postgresql://postgres.abcd@db.abcd.supabase.co/postgres", API, ["TARGET-DIRECT-USER"]),
        (f"postgresql://postgres.abcd@{POOLER}:6543/postgres", API, ["TARGET-TRANSACTION-POOLER"]),
        (f"postgresql://postgres.other@{POOLER}/postgres", API, ["TARGET-PROJECT"]),
        ("postgresql://postgres@db.other.supabase.co/postgres", API, ["TARGET-PROJECT"]),
        ("postgresql://postgres@127.0.0.1:54322/postgres", API, ["TARGET-PROJECT"]),
        ("postgresql://postgres@db.abcd.supabase.co/postgres", "http://127.0.0.1:54321", ["TARGET-PROJECT"]),
        ("postgresql://postgres@127.0.0.1:54322/postgres", "http://127.0.0.1:54321", []),
        (f"postgresql://postgres.abcd@{POOLER}/postgres", "https://api.example.com", []),
        ("postgresql://me@localhost/shop", None, []),
        ("postgresql://me@localhost:6543/shop", None, []),
    ],
)
def test_what_is_wrong_with_a_url_is_found_before_anything_is_sent(url: str, api: str | None, found: list[str]) -> None:
    assert ids(url, api) == found


def test_a_pooler_user_without_the_ref_is_told_the_whole_url() -> None:
    target = Target.parse(f"postgresql://postgres:s3cr%40t@{POOLER}:5432/postgres")
    problem = next(problems(target, api=API))
    assert f"postgresql://postgres.abcd@{POOLER}:5432/postgres" in problem.hint
    assert "s3cr" not in problem.message + problem.hint


def test_the_transaction_pooler_is_left_only_where_the_person_agrees(tmp_path: Path) -> None:
    url = f"postgresql://postgres.abcd@{POOLER}:6543/postgres?sslmode=require"
    with pytest.raises(UsageError) as caught:
        fit(Target.parse(url))
    assert caught.value.id == "TARGET-TRANSACTION-POOLER"
    assert f"postgresql://postgres.abcd@{POOLER}:5432/postgres" in caught.value.hint
    asked: list[tuple[int, int]] = []

    def agree(old: Target, new: Target) -> bool:
        asked.append((old.port, new.port))
        return True

    assert fit(Target.parse(url), to_session_mode=agree).port == 5432
    assert asked == [(6543, 5432)]
    local = in_session_mode(Target.parse("postgresql://postgres@localhost:54329/postgres"))
    assert way_of(local).kind is Kind.LOCAL


def test_a_direct_host_that_only_ipv6_reaches_is_told_the_poolers_url(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_ipv6(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::7", port, 0, 0))]

    target = Target.parse("postgresql://postgres@db.abcd.supabase.co:5432/postgres?sslmode=require")
    monkeypatch.setattr(socket, "getaddrinfo", only_ipv6)
    monkeypatch.setattr(way_in, "ipv6_leads_out", lambda: False)
    with pytest.raises(UsageError) as caught:
        fit(target, region="eu-west-2")
    assert caught.value.id == "TARGET-NO-IPV6"
    assert "postgres.abcd@aws-0-eu-west-2.pooler.supabase.com:5432/postgres" in caught.value.hint
    with pytest.raises(UsageError, match="<region>"):
        fit(target)
    monkeypatch.setattr(way_in, "ipv6_leads_out", lambda: True)
    assert fit(target) is target


def test_supabase_is_verified_by_the_file_that_a_person_put_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target.parse(f"postgresql://postgres.abcd@{POOLER}:5432/postgres")
    with pytest.raises(UsageError) as caught:
        fit(target)
    assert caught.value.id == "TARGET-CA"
    assert all(word in caught.value.hint for word in ("sslrootcert", CA_FILE, "sslmode=require"))
    home.mkdir()
    (home / CA_FILE).write_text("a certificate")
    assert fit(target) is target
    sent = conninfo.conninfo_to_dict(target.conninfo())
    assert (sent["sslmode"], sent["sslrootcert"]) == ("verify-full", str(home / CA_FILE))
    assert target.display == f"postgresql://postgres.abcd@{POOLER}:5432/postgres"
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "mine.crt"))
    assert conninfo.conninfo_to_dict(target.conninfo())["sslrootcert"] == str(tmp_path / "mine.crt")
    given = Target.parse(f"{target.display}?sslrootcert=/given.crt")
    assert conninfo.conninfo_to_dict(given.conninfo())["sslrootcert"] == "/given.crt"


def test_another_server_is_connected_to_as_it_was() -> None:
    sent = conninfo.conninfo_to_dict(Target.parse("postgresql://me@example.com/shop").conninfo())
    assert not {"sslmode", "sslrootcert"} & set(sent)
