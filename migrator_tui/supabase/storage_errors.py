"""What Storage says when it refuses, as errors for a person.

The REST endpoints answer most refusals with HTTP 400 and put the true status, as text, into ``statusCode`` of the
body; resumable uploads answer with real statuses and plain text; a proxy in between answers with a page of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import httpx

from migrator_tui.model.errors import ConnectionLost, TargetError

LONGEST_EXCERPT = 200


class StorageRefused(TargetError):
    """Storage said no.

    Attributes:
        status: The true HTTP status.
    """

    def __init__(self, id: str, message: str, hint: str = "", *, status: int) -> None:
        super().__init__(id, message, hint)
        self.status = status


class ObjectThere(StorageRefused):
    """An object (or bucket) of that name is there already."""


class NotThere(StorageRefused):
    """There is no such object, bucket or upload."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal as the server meant it."""

    status: int
    error: str
    text: str

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        """Read a response whose body was read."""
        try:
            body = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            body = None
        if not isinstance(body, dict):
            plain = re.sub(r"<[^>]*>|\s+", " ", response.text)
            return cls(response.status_code, "", re.sub(" +", " ", plain).strip()[:LONGEST_EXCERPT])
        stated = str(body.get("statusCode") or "")
        # A few answers have a word there, such as "Duplicate"; then the status line is all there is.
        status = int(stated) if re.fullmatch(r"[1-5]\d\d", stated) else response.status_code
        error = str(body.get("code") or body.get("error") or "")
        return cls(status, error, str(body.get("message") or body.get("msg") or error)[:LONGEST_EXCERPT])


def is_passing(status: int) -> bool:
    """Whether the same request may succeed a little later: too many requests, or a fault of the server."""
    return status == 429 or status in (500, 502, 503, 504, 520, 522, 524, 544)


def refusal(response: httpx.Response, what: str) -> TargetError:
    """The error of a response that is not a success.

    Args:
        what: What was tried, as a clause that names file, bucket and key: ``a.pdf could not be stored as docs/a.pdf``.
    """
    answer = Answer.of(response)
    said = f" Storage says: {answer.text}" if answer.text else ""
    said += f" (status {answer.status}{', ' + answer.error if answer.error and answer.error != answer.text else ''})."
    words = f"{answer.error} {answer.text}".lower()
    if "read-only" in words or "readonly" in words:
        hint = "An overfull project turns read-only. Make room, or enlarge its disk (Database settings); then resume."
        return ConnectionLost("STORAGE-READ-ONLY", f"{what}.{said}", hint)
    if is_passing(answer.status):
        id = "STORAGE-RATE" if answer.status == 429 else "STORAGE-BUSY"
        hint = "It is tried again by itself; if it stays so, look at the project's status page and resume the run."
        return ConnectionLost(id, f"{what}.{said}", hint)
    kind: type[StorageRefused] = StorageRefused
    if answer.status == 409 or "duplicate" in words or "already exists" in words:
        kind = ObjectThere
        if "empty" in words:
            id, why, hint = "STORAGE-BUCKET-NOT-EMPTY", "The bucket is not empty", "Remove its objects first."
        else:
            id, why, hint = "STORAGE-DUPLICATE", "Something of that name is there", "Remove it, or use another bucket."
    elif answer.status == 413 or "maximum allowed size" in words:
        id, why = "STORAGE-TOO-LARGE", "It is larger than the bucket or the project allows"
        hint = (
            "Raise the limit (Storage settings of the project, and of the bucket), or leave the file out; then resume."
        )
    elif answer.status == 415 or "mime" in words:
        id, why = "STORAGE-MIME", "The bucket does not take files of this type"
        hint = "Add the type to the bucket's allowed MIME types, or leave the file out; then resume."
    elif "bucket" in words and "not found" in words:
        kind, id, why = NotThere, "STORAGE-NO-BUCKET", "There is no such bucket"
        hint = "Was it removed or renamed? The run makes it again when it is resumed."
    elif "bucket name invalid" in words or "invalidbucketname" in words:
        id, why = "STORAGE-BUCKET-NAME", "Storage takes no bucket of this name"
        hint = (
            "Name another in `files` of the configuration: at most 100 characters out of letters, digits and "
            "_!.*'() &$@=;:+,?-."
        )
    elif answer.status in (404, 410):
        kind, id, why = NotThere, "STORAGE-NOT-THERE", "It is not there"
        hint = "Removed meanwhile? Put the file back there, or correct the row."
    elif "invalidkey" in words or "invalid key" in words:
        id, why = "STORAGE-KEY", "Storage does not take this key"
        hint = "Rename the file and the value that names it, or leave it out."
    elif answer.status in (401, 403) or "jws" in words or "jwt" in words or "signature" in words:
        id, why = "STORAGE-DENIED", "The key does not let this program in"
        hint = (
            "Give the project's secret key (sb_secret_…, or the legacy service_role key) by SUPABASE_SECRET_KEY or the "
            "keyring; a publishable or anon key is not enough, and a key of another project is refused."
        )
    else:
        id, why, hint = "STORAGE-REFUSED", "Storage refused", "Look at the project's Storage log for this moment."
    return kind(id, f"{what}. {why}.{said}", hint, status=answer.status)


def no_answer_of_storage(response: httpx.Response, what: str) -> StorageRefused:
    """The error of a success that Storage did not write, such as the sign-in page of a network."""
    answer = Answer.of(response)
    return StorageRefused(
        "STORAGE-ANSWER",
        f"{what}: {response.url.host} answers with something that is not Storage's: {answer.text or 'nothing'}.",
        "Is it the web address of a Supabase project, without a path? A proxy or a sign-in page may stand in between.",
        status=response.status_code,
    )


def unreachable(error: httpx.TransportError, url: str, what: str, *, sending: bool) -> ConnectionLost:
    """The error of a request that got no answer.

    Args:
        sending: A file was being sent, so that a refusal of its size may look like this.
    """
    host = httpx.URL(url).host
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        message = f"{what}. {host} cannot be reached: {_reason(error)}."
        hint = "Is the address right, and this machine online? A paused project does not answer; restore it first."
    elif isinstance(error, httpx.TimeoutException):
        message, hint = f"{what}. {host} did not answer in time.", "It is tried again by itself."
    else:
        message = f"{what}. The connection to {host} ended: {_reason(error)}."
        hint = "It is tried again by itself."
        if sending:
            hint += (
                " If it always ends here, the file may be larger than the project's limit: see its Storage settings."
            )
    return ConnectionLost("STORAGE-UNREACHABLE", message, hint)


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
