"""Each refusal of Storage becomes an error that names the file, the cause and the next step."""

from __future__ import annotations

import httpx
import pytest

from migrator_tui.model.errors import ConnectionLost
from migrator_tui.supabase.storage_errors import NotThere, ObjectThere, StorageRefused, refusal, unreachable

WHAT = "scan.pdf could not be stored as documents/scan.pdf"


def body(status: str, error: str, message: str) -> dict[str, str]:
    return {"statusCode": status, "error": error, "message": message}


@pytest.mark.parametrize(
    ("answer", "id", "kind"),
    [
        (
            httpx.Response(400, json=body("409", "Duplicate", "The resource already exists")),
            "STORAGE-DUPLICATE",
            ObjectThere,
        ),
        (httpx.Response(409, text="The resource already exists"), "STORAGE-DUPLICATE", ObjectThere),
        (
            httpx.Response(400, json=body("413", "Payload too large", "The object exceeded the maximum allowed size")),
            "STORAGE-TOO-LARGE",
            StorageRefused,
        ),
        (
            httpx.Response(413, text="<html><h1>413 Request Entity Too Large</h1></html>"),
            "STORAGE-TOO-LARGE",
            StorageRefused,
        ),
        (
            httpx.Response(400, json=body("415", "invalid_mime_type", "mime type text/html is not supported")),
            "STORAGE-MIME",
            StorageRefused,
        ),
        (httpx.Response(400, json=body("404", "Bucket not found", "Bucket not found")), "STORAGE-NO-BUCKET", NotThere),
        (httpx.Response(400, json=body("404", "not_found", "Object not found")), "STORAGE-NOT-THERE", NotThere),
        (httpx.Response(400, json=body("400", "InvalidKey", "Invalid key: a~b")), "STORAGE-KEY", StorageRefused),
        (
            httpx.Response(400, json=body("403", "Unauthorized", "Invalid Compact JWS")),
            "STORAGE-DENIED",
            StorageRefused,
        ),
        (httpx.Response(401, json={"message": "Invalid API key"}), "STORAGE-DENIED", StorageRefused),
        (
            httpx.Response(400, json=body("409", "InvalidRequest", "The bucket you tried to delete is not empty")),
            "STORAGE-BUCKET-NOT-EMPTY",
            ObjectThere,
        ),
        (httpx.Response(418, json=["what"]), "STORAGE-REFUSED", StorageRefused),
        (httpx.Response(429, json=body("429", "too_many_requests", "Slow down")), "STORAGE-RATE", ConnectionLost),
        (httpx.Response(502, text="<html>Bad gateway</html>"), "STORAGE-BUSY", ConnectionLost),
        (httpx.Response(400, json=body("500", "Internal", "Database timeout")), "STORAGE-BUSY", ConnectionLost),
    ],
)
def test_a_refusal_is_told_by_the_status_in_its_body(answer: httpx.Response, id: str, kind: type[Exception]) -> None:
    error = refusal(answer, WHAT)
    assert error.id == id
    assert isinstance(error, kind)
    assert error.message.startswith(WHAT)
    assert error.hint
    assert "<" not in error.message


def test_a_body_that_is_no_text_is_told_by_the_status_line() -> None:
    error = refusal(httpx.Response(400, content=b"\xff\xfe\x00"), WHAT)
    assert error.id == "STORAGE-REFUSED"
    assert "status 400" in error.message


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError("Name or service not known"), "cannot be reached"),
        (httpx.ReadTimeout(""), "did not answer in time"),
        (httpx.WriteError("Broken pipe"), "ended: Broken pipe"),
    ],
)
def test_a_lost_connection_is_worth_another_attempt_and_names_the_host(error: httpx.TransportError, says: str) -> None:
    lost = unreachable(error, "https://abcd.supabase.co/storage/v1/object/a", WHAT, sending=True)
    assert isinstance(lost, ConnectionLost)
    assert "abcd.supabase.co" in lost.message
    assert says in lost.message


def test_a_connection_that_ends_while_a_file_is_sent_may_be_a_refusal_of_its_size() -> None:
    lost = unreachable(httpx.WriteError("Broken pipe"), "https://abcd.supabase.co/", WHAT, sending=True)
    assert "larger than the project's limit" in lost.hint
