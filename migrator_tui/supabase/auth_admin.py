"""Users over the Admin API of Supabase Auth: listed, made, deleted, with its errors turned into what to do.

No message is ever sent to a user: addresses are confirmed by the request, and nobody is invited. Identifiers are
given by us, so that a request whose answer was lost can be made again: what is there by then is read back and compared.

Source: supabase/auth, ``internal/api/admin.go``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import tenacity

from migrator_tui.model.errors import ConnectionLost, Interrupted, MigratorError, TargetError
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.auth_sql import Existing
from migrator_tui.supabase.auth_users import AuthUser

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds for one request."""
PATIENCE = 60.0
"""Seconds that a request is tried again."""
PAGE = 50
RESUME = "`migrator-tui resume RUN` goes on where it stopped."
REFUSED_HINT = (
    "The row stays in its table without a user. Correct the row in the source and migrate again to make them one."
)
_TRY_AGAIN = (408, 425, 429, 502, 503, 504, 520, 521, 522, 523, 524, 530)


class UserRefused(MigratorError):
    """Auth does not take one user; the others go on."""


class AddressTaken(MigratorError):
    """Somebody else has the address or number by now."""


class _Failure(Exception):
    """What a request came to: status (0 where no answer came), code and text of Auth's answer."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text

    @property
    def passing(self) -> bool:
        """It may go well another time."""
        return self.status == 0 or self.status in _TRY_AGAIN


class AuthAdmin:
    """One worker's way to the Admin API; not to be shared among threads."""

    def __init__(
        self,
        api: Api,
        *,
        stop: threading.Event | None = None,
        on_wait: Callable[[str | None], None] = lambda text: None,
        patience: float | None = None,
    ) -> None:
        """
        Args:
            stop: Ends waiting between attempts.
            on_wait: Told why a request is tried again, and None once it went well.
            patience: Seconds for which a request is tried again; :data:`PATIENCE` where nothing is said.
        """
        import httpx
        from supabase import ClientOptions, create_client

        self._host = urlsplit(api.url).hostname or api.url
        self._stop = stop or threading.Event()
        self._on_wait = on_wait
        self._patience = PATIENCE if patience is None else patience
        # HTTP/2, the package's own choice, loses requests where a connection is reused after an error.
        self._http = httpx.Client(http2=False, timeout=TIMEOUT, follow_redirects=True)
        options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=self._http)
        self._admin = create_client(api.url, api.key.reveal(), options).auth.admin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def check(self) -> None:
        """See that the key lets us in.

        Raises:
            TargetError: ``AUTH-KEY``, ``AUTH-API``.
            ConnectionLost: ``AUTH-UNREACHABLE``.
        """
        self._must(lambda: self._admin.list_users(page=1, per_page=1))

    def users(self) -> Iterator[Existing]:
        """All users, page by page; somebody who signs up meanwhile may be missing, nobody is given twice.

        Raises:
            TargetError, ConnectionLost: As :meth:`check`.
        """
        seen: set[str] = set()
        page = 1
        while True:
            found = self._must(partial(self._admin.list_users, page=page, per_page=PAGE))
            for user in found:
                if user.id not in seen:
                    seen.add(user.id)
                    yield Existing(UUID(user.id), user.email.lower() if user.email else None, user.phone or None)
            if len(found) < PAGE:
                return
            page += 1

    def get(self, id: UUID) -> Existing | None:
        """The user of that identifier, or None.

        Raises:
            TargetError, ConnectionLost: As :meth:`check`.
        """
        try:
            user = self._ask(lambda: self._admin.get_user_by_id(str(id))).user
        except _Failure as failure:
            if failure.status == 404:
                return None
            raise self._error(failure) from None
        return Existing(UUID(user.id), user.email.lower() if user.email else None, user.phone or None)

    def create(self, user: AuthUser) -> None:
        """Make a user under their identifier; one who is there under it already, with their address, is that user.

        Raises:
            UserRefused: Auth does not take this one.
            AddressTaken: Another user has the address or the number.
            TargetError: ``AUTH-DATABASE``: the project's database refused, mostly by a trigger; ``AUTH-KEY``.
            ConnectionLost: ``AUTH-UNREACHABLE``.
        """
        try:
            self._ask(lambda: self._admin.create_user(_attributes(user)))  # type: ignore[arg-type]
            return
        except _Failure as failure:
            refused = failure
        # A lost answer: the first attempt made the user, and the second met them.
        there = self.get(user.id)
        if there is not None and (there.email, there.phone) == (user.email, user.phone):
            return
        raise self._not_made(user, refused)

    def delete(self, id: UUID) -> bool:
        """Delete a user for good; False where they are not there.

        Raises:
            UserRefused: The project's database keeps them.
            TargetError, ConnectionLost: As :meth:`check`.
        """
        try:
            self._ask(lambda: self._admin.delete_user(str(id)))
        except _Failure as failure:
            if failure.status == 404:
                return False
            if failure.status == 500:
                hint = "Something refers to them: delete that first, then roll back again."
                raise UserRefused("AUTH-DELETE", f"Auth cannot delete the user {id}: {failure.text}.", hint) from None
            raise self._error(failure) from None
        return True

    def _not_made(self, user: AuthUser, failure: _Failure) -> MigratorError:
        who = f"User {user.key} ({user.address})"
        if failure.code in ("email_exists", "phone_exists", "user_already_exists"):
            what = "number" if failure.code == "phone_exists" else "address"
            return AddressTaken(
                "AUTH-TAKEN",
                f"{who}: somebody signed up with this {what} since the plan was made.",
                "Start a new run: it will find that user and move the rows to them.",
            )
        if failure.status == 500 and not failure.text.startswith("Error creating user"):
            return TargetError(
                "AUTH-DATABASE",
                f"{who} could not be made; Auth says: {failure.text}.",
                "That is the project's database: mostly a trigger on auth.users, whose function fails.",
            )
        # Auth says so, and with 500, of a password hash that it cannot read.
        if failure.status in (400, 422, 500):
            return UserRefused("AUTH-REFUSED", f"{who} is refused by Auth: {failure.text}.", REFUSED_HINT)
        return self._error(failure)

    def _error(self, failure: _Failure) -> MigratorError:
        if failure.status in (401, 403):
            return TargetError(
                "AUTH-KEY",
                f"Auth of {self._host} does not accept the key for this: {failure.text}.",
                "Set SUPABASE_SECRET_KEY to a secret key of this project (sb_secret_…, or the legacy service_role "
                "key); a publishable or anon key is not enough.",
            )
        if failure.status == 0:
            return ConnectionLost(
                "AUTH-UNREACHABLE", f"The API of {self._host} cannot be reached: {failure.text}.", RESUME
            )
        if failure.passing:
            return ConnectionLost(
                "AUTH-BUSY", f"Auth of {self._host} answers {failure.status}: {failure.text}.", RESUME
            )
        hint = "Is it the web address of a Supabase project, without a path? Its Auth log says more."
        return TargetError("AUTH-API", f"Auth of {self._host} answers {failure.status}: {failure.text}.", hint)

    def _must(self, request: Callable[[], T]) -> T:
        try:
            return self._ask(request)
        except _Failure as failure:
            raise self._error(failure) from None

    def _ask(self, request: Callable[[], T]) -> T:
        """Make a request that can be made again, and again where that may help.

        Raises:
            _Failure: Auth refused, with a status that is about the request.
            MigratorError: Anything that concerns every request.
        """
        began = time.monotonic()

        def attempt() -> T:
            return _asked(request)

        def sleep(seconds: float) -> None:
            if self._stop.wait(seconds):
                raise Interrupted("CANCELLED", "Cancelled.", RESUME)

        def before_sleep(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            wait = state.next_action.sleep if state.next_action else 0.0
            text = error.text if isinstance(error, _Failure) else ""
            self._on_wait(f"Auth: {text}. Trying again in {wait:.1f} s (attempt {state.attempt_number + 1}).")

        try:
            answer = tenacity.Retrying(
                retry=tenacity.retry_if_exception(lambda error: isinstance(error, _Failure) and error.passing),
                wait=tenacity.wait_random_exponential(multiplier=0.2, max=8) + tenacity.wait_fixed(0.05),
                stop=lambda state: time.monotonic() - began >= self._patience,
                sleep=sleep,
                before_sleep=before_sleep,
                reraise=True,
            )(attempt)
        except _Failure as failure:
            if failure.status in (401, 403) or failure.passing:
                raise self._error(failure) from None
            raise
        self._on_wait(None)
        return answer


def _attributes(user: AuthUser) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": str(user.id),
        "email": user.email,
        "email_confirm": user.confirmed if user.email else None,
        "phone": user.phone,
        "phone_confirm": user.confirmed if user.phone else None,
        "password_hash": user.hash.usable,
        "user_metadata": dict(user.user_metadata),
        "app_metadata": dict(user.app_metadata) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _asked(request: Callable[[], T]) -> T:
    import httpx
    from pydantic import ValidationError
    from supabase_auth.errors import AuthError, AuthUnknownError

    try:
        return request()
    except AuthUnknownError as error:  # an answer that is no JSON, such as a gateway's page
        response = getattr(error.__cause__, "response", None) or getattr(error.original_error, "response", None)
        status = response.status_code if response is not None else 502
        raise _Failure(status, "", f"an answer that is not Auth's ({_line(error.message)})") from None
    except AuthError as error:
        status = int(getattr(error, "status", 0) or 0)
        raise _Failure(status, str(error.code or ""), _line(error.message)) from None
    except (ValidationError, ValueError, AttributeError) as error:  # JSON of another shape
        raise _Failure(200, "", f"an answer that is not Auth's ({type(error).__name__})") from None
    except httpx.HTTPError as error:
        raise _Failure(0, "", _line(str(error) or type(error).__name__)) from None


def _line(text: object) -> str:
    return str(text).strip().splitlines()[0].rstrip(".")[:200] if str(text).strip() else "no reason given"
