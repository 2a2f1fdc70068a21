"""A source's users as users of Supabase Auth: what Auth keeps of a row, and which rows it refuses.

Pure. Auth's own rules decide what an address is; two rows that Auth would take for one user are told apart here,
before anything is sent. The identifier is a function of the project and the source's id, so that an import repeated
is the same import.

Source of the rules: supabase/auth, ``internal/api/{mail,phone,admin}.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from migrator_tui.convert.user_ids import user_id
from migrator_tui.model.project import UsersPlan
from migrator_tui.supabase.auth_hashes import HashClass, classify

_ADDRESS = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
_PHONE = re.compile(r"[1-9][0-9]{1,14}")
_LONGEST_ADDRESS = 255
_NOT_TRUE = ("", "0", "f", "false", "n", "no", "off")
_MILLISECONDS_FROM = 100_000_000_000
"""An epoch number from here on counts milliseconds: as seconds it would lie beyond the year 5000."""

NO_ADDRESS, REFUSED, DUPLICATE = "no-address", "refused-address", "same-address"


@dataclass(frozen=True, slots=True)
class SourceUser:
    """A row of the users table: the cells of the columns that the plan names, None where it names none.

    Attributes:
        locator: Which row it is (:attr:`~migrator_tui.model.schema.Table.locator`).
    """

    locator: int
    id: object
    email: object = None
    phone: object = None
    password_hash: object = field(default=None, repr=False)
    role: object = None
    name: object = None
    created: object = None
    confirmed: object = None


@dataclass(frozen=True, slots=True)
class AuthUser:
    """A user as Auth keeps them.

    Attributes:
        key: Text of the source's id.
        email: In lower case; it or ``phone`` is there.
        phone: Digits of E.164 without ``+``.
        hash: What the stored password hash is; without a usable one the user needs a reset.
        confirmed: The address counts as proven, so that signing in is possible.
        created_at, confirmed_at: None where the source does not say.
        role: The application's, wherever it is kept.
        matched: There is a user of that address already, whose ``id`` this is.
        notes: What was not taken over of this row, one phrase each.
    """

    key: str
    id: UUID
    email: str | None
    phone: str | None
    hash: HashClass
    confirmed: bool
    created_at: datetime | None = None
    confirmed_at: datetime | None = None
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    app_metadata: Mapping[str, Any] = field(default_factory=dict)
    role: str | None = None
    matched: bool = False
    notes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """What a person knows the user by."""
        return self.email or f"+{self.phone}"


@dataclass(frozen=True, slots=True)
class LeftUser:
    """A row that becomes no user, and why.

    Attributes:
        kind: :data:`NO_ADDRESS`, :data:`REFUSED` or :data:`DUPLICATE`.
        reason: In words, with the address where there is one.
    """

    key: str
    locator: int
    email: str | None
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Users:
    """What becomes of every row of the users table."""

    users: tuple[AuthUser, ...]
    left: tuple[LeftUser, ...]

    @property
    def to_make(self) -> tuple[AuthUser, ...]:
        """Those who are not there yet."""
        return tuple(user for user in self.users if not user.matched)

    @property
    def need_reset(self) -> tuple[AuthUser, ...]:
        """Those of :attr:`to_make` who cannot sign in with the password that they have."""
        return tuple(user for user in self.to_make if not user.hash.importable)


def users_of(rows: Iterable[SourceUser], plan: UsersPlan) -> Users:
    """What becomes of the rows, in their order. Of several rows with one address the first is the user."""
    users: list[AuthUser] = []
    left: list[LeftUser] = []
    by_email: dict[str, str] = {}
    by_phone: dict[str, str] = {}
    taken = frozenset(plan.phones_taken)
    for row in rows:
        key = key_of(row.id)
        email, refused = email_of(row.email)
        phone, notes = _phone(row.phone)
        if phone is not None and phone in by_phone:
            notes, phone = (f"the phone number is that of user {by_phone[phone]}",), None
        if phone in taken:
            notes, phone = ("the phone number is that of another user of the project",), None
        if email is not None and email in by_email:
            reason = f"{email} is the address of user {by_email[email]} as well; letter case does not tell them apart"
            left.append(LeftUser(key, row.locator, email, DUPLICATE, reason))
            continue
        if refused and phone is None:
            left.append(LeftUser(key, row.locator, _shown(row.email), REFUSED, f"Auth refuses the address: {refused}"))
            continue
        if email is None and phone is None:
            reason = "; ".join(("neither an e-mail address nor a phone number", *notes))
            left.append(LeftUser(key, row.locator, None, NO_ADDRESS, reason))
            continue
        if email is not None:
            by_email[email] = key
        if phone is not None:
            by_phone[phone] = key
        users.append(_user(row, key, email, phone, plan, (*notes, *((f"e-mail: {refused}",) if refused else ()))))
    return Users(tuple(users), tuple(left))


def _user(
    row: SourceUser, key: str, email: str | None, phone: str | None, plan: UsersPlan, notes: tuple[str, ...]
) -> AuthUser:
    at_hand = plan.matched.get(key)
    confirmed = plan.scope.confirmed is None or is_true(row.confirmed)
    name, role = text_of(row.name), text_of(row.role)
    return AuthUser(
        key=key,
        id=UUID(at_hand) if at_hand else user_id(plan.namespace, key),
        email=email,
        phone=phone,
        hash=classify(row.password_hash),
        confirmed=confirmed,
        created_at=moment_of(row.created),
        confirmed_at=moment_of(row.confirmed) if confirmed and not _is_flag(row.confirmed) else None,
        user_metadata={"full_name": name} if name else {},
        app_metadata={"role": role} if role and plan.scope.roles == "app-metadata" else {},
        role=role or None,
        matched=at_hand is not None,
        notes=notes,
    )


def key_of(id: object) -> str:
    """The text of a source id."""
    return bytes(id).hex() if isinstance(id, (bytes, bytearray, memoryview)) else str(id)


def email_of(stored: object) -> tuple[str | None, str]:
    """The address as Auth keeps it, or None; and why it is refused, empty where there is none at all."""
    text = (text_of(stored) or "").strip()
    if not text:
        return None, ""
    if len(text.encode()) > _LONGEST_ADDRESS:
        return None, f"it is longer than {_LONGEST_ADDRESS} bytes"
    if not _ADDRESS.fullmatch(text):
        return None, f"{_shown(text)!r} is no address by its rules"
    return text.lower(), ""


def phone_of(stored: object) -> str | None:
    """The number as Auth keeps it (E.164 without ``+``), or None where there is none that it takes."""
    text = (text_of(stored) or "").strip().removeprefix("+").replace(" ", "")
    return text if _PHONE.fullmatch(text) else None


def _phone(stored: object) -> tuple[str | None, tuple[str, ...]]:
    phone = phone_of(stored)
    if phone is None and (text_of(stored) or "").strip():
        return None, ("the phone number is not in international form (E.164)",)
    return phone, ()


def text_of(stored: object) -> str | None:
    """A cell as text that jsonb and Auth take: without NUL and what is no UTF-8."""
    if stored is None:
        return None
    if isinstance(stored, (bytes, bytearray, memoryview)):
        stored = bytes(stored).decode("utf-8", "replace")
    text = str(stored).replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8")


def moment_of(stored: object) -> datetime | None:
    """A moment as applications store it: ISO 8601 (UTC where it names no zone), or seconds or milliseconds of the
    epoch; None for anything else."""
    try:
        if isinstance(stored, datetime):
            found = stored
        elif isinstance(stored, (int, float)) and not isinstance(stored, bool):
            seconds = stored / 1000 if abs(stored) >= _MILLISECONDS_FROM else stored
            found = datetime.fromtimestamp(seconds, UTC)
        elif isinstance(stored, str):
            found = datetime.fromisoformat(stored.strip())
        else:
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def is_true(stored: object) -> bool:
    """Whether a flag, or a moment in its place, says yes."""
    if isinstance(stored, (int, float)):
        return stored != 0
    return stored is not None and str(stored).strip().lower() not in _NOT_TRUE


def _is_flag(stored: object) -> bool:
    return isinstance(stored, (int, float)) and stored in (0, 1)


def _shown(stored: object) -> str:
    text = text_of(stored) or ""
    return text if len(text) <= 60 else f"{text[:57]}…"
