"""What Supabase Auth keeps of a source's row, and which rows it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.demo import passwords
from migrator_tui.model.project import UsersPlan, UsersScope
from migrator_tui.supabase.auth_users import (
    DUPLICATE,
    NO_ADDRESS,
    REFUSED,
    SourceUser,
    email_of,
    moment_of,
    phone_of,
    users_of,
)

NAMESPACE = "6f1c52c0-3f0e-5d3b-9d7c-2f7b8c1f0a11"
PLAN = UsersPlan(UsersScope("users"), NAMESPACE)


def test_a_row_becomes_a_user_with_the_identifier_that_its_id_gives() -> None:
    row = SourceUser(
        7,
        7,
        "Ada@Example.org",
        "+49 151 1234567",
        passwords.HASHES[0],
        "teacher",
        "Ada Lovelace",
        "2024-03-01 10:20:30",
    )
    (user,) = users_of([row], PLAN).users
    assert (user.key, user.id) == ("7", uuid5(UUID(NAMESPACE), "7"))
    assert (user.email, user.phone) == ("ada@example.org", "491511234567")
    assert user.hash.usable == passwords.HASHES[0]
    assert user.confirmed
    assert user.created_at == datetime(2024, 3, 1, 10, 20, 30, tzinfo=UTC)
    assert (user.user_metadata, user.app_metadata) == ({"full_name": "Ada Lovelace"}, {"role": "teacher"})
    assert users_of([row], PLAN).users == (user,)


def test_a_user_of_that_address_who_is_there_already_keeps_their_identifier() -> None:
    there = uuid4()
    plan = UsersPlan(UsersScope("users"), NAMESPACE, matched={"2": str(there)})
    users = users_of([SourceUser(1, 1, "a@x.de"), SourceUser(2, 2, "b@x.de")], plan)
    assert [user.id for user in users.users] == [uuid5(UUID(NAMESPACE), "1"), there]
    assert [user.key for user in users.to_make] == ["1"]


def test_addresses_that_differ_in_letter_case_alone_are_one_user_and_the_first_row_is_it() -> None:
    users = users_of([SourceUser(1, 1, "a@x.de"), SourceUser(2, 2, "A@X.de"), SourceUser(3, 3, " a@x.de ")], PLAN)
    assert [user.key for user in users.users] == ["1"]
    assert [(left.key, left.kind) for left in users.left] == [("2", DUPLICATE), ("3", DUPLICATE)]
    assert "user 1" in users.left[0].reason


@pytest.mark.parametrize("email", [None, "", "   ", b""])
def test_a_row_without_address_and_number_becomes_no_user(email: object) -> None:
    users = users_of([SourceUser(1, 1, email)], PLAN)
    assert not users.users
    assert [left.kind for left in users.left] == [NO_ADDRESS]


@pytest.mark.parametrize(
    "email",
    [
        "plain",
        "a@",
        "@b.de",
        "a b@c.de",
        "a@b_c.de",
        "jürgen@example.org",
        "a@-b.de",
        "a@b..de",
        "a@b.de\x00",
        "a" * 255 + "@b.de",
    ],
)
def test_an_address_that_auth_refuses_leaves_the_row_behind_with_the_reason(email: str) -> None:
    users = users_of([SourceUser(1, 1, email)], PLAN)
    assert not users.users
    assert [left.kind for left in users.left] == [REFUSED]
    assert len(users.left[0].reason) < 200


def test_a_number_alone_is_enough_and_a_refused_address_beside_it_is_noted() -> None:
    (user,) = users_of([SourceUser(1, 1, "plain", "+4915112345")], PLAN).users
    assert (user.email, user.phone, user.address) == (None, "4915112345", "+4915112345")
    assert "plain" in user.notes[0]


def test_a_number_that_is_not_international_or_another_users_is_left_out_of_a_user_with_an_address() -> None:
    rows = [
        SourceUser(1, 1, "a@x.de", "0151/12345"),
        SourceUser(2, 2, "b@x.de", "+4915112345"),
        SourceUser(3, 3, "c@x.de", "49 151 12345"),
        SourceUser(4, 4, None, "4915112345"),
    ]
    users = users_of(rows, PLAN)
    assert [user.phone for user in users.users] == [None, "4915112345", None]
    assert "E.164" in users.users[0].notes[0]
    assert "user 2" in users.users[2].notes[0]
    assert [left.key for left in users.left] == ["4"]
    assert "user 2" in users.left[0].reason


@pytest.mark.parametrize(
    ("stored", "confirmed"),
    [
        (1, True),
        (0, False),
        (0.0, False),
        (None, False),
        ("", False),
        ("false", False),
        ("t", True),
        ("2024-01-02", True),
    ],
)
def test_a_user_is_confirmed_where_the_column_says_so(stored: object, confirmed: bool) -> None:
    plan = UsersPlan(UsersScope("users", confirmed="verified"), NAMESPACE)
    (user,) = users_of([SourceUser(1, 1, "a@x.de", confirmed=stored)], plan).users
    assert user.confirmed is confirmed
    assert (user.confirmed_at is not None) == (stored == "2024-01-02")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("2024-01-02 03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.678+02:00", datetime(2024, 1, 2, 1, 4, 5, 678000, tzinfo=UTC)),
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1704164645, datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1704164645678, datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 1, 2, 1, tzinfo=UTC)),
        ("soon", None),
        (None, None),
        (1e300, None),
        (True, None),
        (b"2024", None),
    ],
)
def test_a_moment_is_read_as_applications_store_it(stored: object, expected: datetime | None) -> None:
    assert moment_of(stored) == expected


CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=40), st.binary(max_size=40), st.emails())


@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, CELLS), max_size=12))
def test_every_row_becomes_a_user_or_is_left_with_a_reason(cells: list[tuple[object, ...]]) -> None:
    rows = [
        SourceUser(number, number, email, phone, password, name=name, created=created)
        for number, (email, phone, password, name, created) in enumerate(cells)
    ]
    users = users_of(rows, PLAN)
    keys = [user.key for user in users.users] + [left.key for left in users.left]
    assert sorted(map(int, keys)) == list(range(len(rows)))
    for addresses in ([u.email for u in users.users if u.email], [u.phone for u in users.users if u.phone]):
        assert len(addresses) == len(set(addresses))
    for user in users.users:
        assert user.email or user.phone
        assert user.email is None or email_of(user.email) == (user.email, "")
        assert user.phone is None or phone_of(user.phone) == user.phone
        assert "\x00" not in str(user.user_metadata)
    assert all(left.reason for left in users.left)
