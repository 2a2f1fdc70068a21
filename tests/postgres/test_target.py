"""A URL goes in whole; what comes out to be shown never holds the password."""

from __future__ import annotations

import copy
import json
import os
import pickle
import pwd
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import conninfo

from migrator_tui.model.errors import UsageError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.target import Target

# Whatever a person may choose: any characters but NUL, which libpq's strings cannot hold. The canary in the middle
# cannot occur in the rest of the URL by chance.
CANARY = "cAnArY7"
PASSWORDS = st.tuples(st.text(max_size=8), st.text(max_size=8)).map(
    lambda around: CANARY.join(around).replace("\0", "").encode("utf-8", "ignore").decode()
)
NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\0"), min_size=1, max_size=12
)
HOSTS = st.sampled_from(["localhost", "10.0.0.7", "::1", "fe80::2", "db.abcd.supabase.co", "/var/run/pg", "/a b/s"])


def url(host: str, user: str, password: str, port: int, database: str) -> str:
    """A well-formed URL of those parts."""
    who = f"{quote(user, safe='')}:{quote(password, safe='')}"
    if host.startswith("/"):
        return f"postgresql://{who}@/{quote(database, safe='')}?host={quote(host)}&port={port}"
    return f"postgresql://{who}@{f'[{host}]' if ':' in host else host}:{port}/{quote(database, safe='')}"


@given(HOSTS, NAMES, PASSWORDS, st.integers(1, 65535), NAMES)
def test_every_part_of_a_url_arrives_and_the_password_is_never_shown(
    host: str, user: str, password: str, port: int, database: str
) -> None:
    target = Target.parse(url(host, user, password, port, database))
    assert (target.host, target.port, target.user, target.database) == (host, port, user, database)
    assert target.password == Secret(password)
    for shown in (target.display, target.label, repr(target), str(target)):
        assert CANARY not in shown
    assert conninfo.conninfo_to_dict(target.conninfo())["password"] == password


@given(HOSTS, NAMES, st.integers(1, 65535), NAMES)
def test_what_is_displayed_reads_back_as_the_same_target(host: str, user: str, port: int, database: str) -> None:
    target = Target(host, port, user, database, Secret("x"), {"sslmode": "require", "options": "-c a=b c&d"})
    assert Target.parse(target.display).with_password(Secret("x")) == target


RAW = st.text("abc12@#/%:?[]=\0 ü", max_size=10)


def read(text: str) -> Target | UsageError:
    """The target, or why there is none."""
    try:
        return Target.parse(text)
    except UsageError as error:
        return error


@given(RAW, RAW)
def test_a_password_that_was_not_percent_encoded_is_never_shown(before: str, after: str) -> None:
    found = read(f"postgresql://u:{before}{CANARY}{after}@host/db")
    if isinstance(found, Target):
        assert (found.user, found.host, found.port, found.database) == ("u", "host", 5432, "db")
        shown = [found.display, found.label, repr(found)]
    else:
        assert found.id == "TARGET-URL"
        assert "%40" in found.hint
        assert found.__suppress_context__, "a traceback would print the driver's words, which repeat the text"
        shown = [str(found)]
    assert not any(CANARY in text for text in shown)


@pytest.mark.parametrize("raw", ["p@ss", "pa/ss", "12/ss", "pa#ss", "p@s/s", "100%"])
def test_raw_special_characters_in_a_password_are_refused_with_how_to_write_them(raw: str) -> None:
    with pytest.raises(UsageError, match="%40") as caught:
        Target.parse(f"postgresql://u:{raw}@host/db")
    assert raw not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a Postgres URL"),
        ("./dev.db", "not a Postgres URL"),
        ("mysql://u@h/d", "not a Postgres URL"),
        ("host=localhost password=canary", "not a Postgres URL"),
        ("postgresql://u@h:port/d", "port is not a number"),
        ("postgresql://u@h:0/d", "port is not a number"),
        ("postgresql://u@h:70000/d", "port is not a number"),
        ("postgresql://u@h1,h2/d", "several hosts"),
        ("postgresql://u:%ff@h/d", "not a URL that Postgres understands"),
        ("postgresql://h:1\0:canary@h2/d", "NUL"),
        ("postgresql://u@[::1/d", "not a URL that Postgres understands"),
        ("postgresql://u@h/d?pgbouncer=true", "does not know the parameter pgbouncer"),
        ("postgresql://postgres:[YOUR-PASSWORD]@h/d", "YOUR-PASSWORD"),
    ],
)
def test_what_is_no_url_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Target.parse(text)
    assert caught.value.id == "TARGET-URL"
    assert "canary" not in str(caught.value)


def test_what_a_url_leaves_out_is_what_libpq_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    target = Target.parse("postgresql://")
    assert (target.host, target.port, target.user, target.database) == ("localhost", 5432, me, me)
    assert Target.parse("postgresql://h").user == me
    assert Target.parse("postgresql://ann@h").database == "ann"
    for name, value in {"USER": "bob", "DATABASE": "app", "PORT": "5433", "HOST": "/run/pg"}.items():
        monkeypatch.setenv(f"PG{name}", value)
    target = Target.parse("postgresql://")
    assert (target.host, target.port, target.user, target.database) == ("/run/pg", 5433, "bob", "app")
    given = Target.parse("postgresql://ann@h:5434/mine")
    assert (given.host, given.port, given.user, given.database) == ("h", 5434, "ann", "mine")
    assert Target.parse("postgresql://?hostaddr=10.0.0.7").host == "10.0.0.7"


def test_a_socket_folder_is_read_from_the_query() -> None:
    target = Target.parse("postgresql://postgres:@/postgres?host=/some/dir")
    assert (target.host, target.user, target.database, target.password) == ("/some/dir", "postgres", "postgres", None)
    assert target.local
    assert target.display == "postgresql://postgres@/postgres?host=/some/dir"


def test_other_secrets_of_a_url_reach_libpq_and_nothing_else() -> None:
    target = Target.parse("postgresql://u@h/d?sslpassword=canary&sslkey=/k.pem")
    assert "canary" not in repr(target) + target.display
    assert conninfo.conninfo_to_dict(target.conninfo())["sslpassword"] == "canary"


@pytest.mark.parametrize(
    ("given_mode", "environment", "sent"),
    [
        (None, None, "verify-full"),
        ("disable", None, "require"),
        ("prefer", None, "require"),
        ("verify-full", None, "verify-full"),
        (None, "verify-full", None),
        (None, "allow", "require"),
    ],
)
def test_supabase_is_never_talked_to_without_tls(
    given_mode: str | None, environment: str | None, sent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment:
        monkeypatch.setenv("PGSSLMODE", environment)
    query = f"?sslmode={given_mode}" if given_mode else ""
    target = Target.parse(f"postgresql://u@aws-0-eu-central-1.pooler.supabase.com:5432/postgres{query}")
    assert conninfo.conninfo_to_dict(target.conninfo()).get("sslmode") == sent


def test_a_dead_link_ends_by_itself_unless_the_url_says_otherwise() -> None:
    sent = conninfo.conninfo_to_dict(Target.parse("postgresql://u@h/d?keepalives_idle=99").conninfo())
    assert sent["keepalives"] == "1"
    assert sent["keepalives_idle"] == "99"
    assert sent["tcp_user_timeout"] == "20000"
    assert sent["connect_timeout"] == "10"


def test_the_label_tells_servers_on_two_ports_apart() -> None:
    labels = {Target.parse(f"postgresql://u@h:{port}/d").label for port in (5432, 5433)}
    assert labels == {"d@h", "d@h:5433"}


@given(st.text(min_size=4))
def test_a_secret_does_not_print_itself(text: str) -> None:
    secret = Secret(text)
    assert {repr(secret), str(secret), f"{secret}"} == {"***"}
    assert secret.reveal() == text
    assert secret == Secret(text)
    assert secret != text
    for write in (pickle.dumps, json.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)
