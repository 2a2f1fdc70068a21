"""Supabase Storage over HTTP: buckets, and objects whose bytes are streamed both ways.

The ``storage3`` package builds URLs from raw keys, so that ``a?.png`` becomes another object and ``../e`` leaves the
bucket (supabase-py#1640); it reads whole files into memory and has no resumable uploads. Here each key is
percent-encoded, and the connection is HTTP/1.1, which a thread can own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import httpx
import tenacity

from migrator_tui.convert.object_keys import in_url
from migrator_tui.model.errors import ConnectionLost, Interrupted
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_errors import NotThere, no_answer_of_storage, refusal, unreachable

T = TypeVar("T")

BLOCK = 256 * 1024
"""Bytes that are read, hashed and sent at a time; between two blocks the caller may stop."""
PAGE = 1000
"""Objects of one page of a listing; the server's own limit."""
ATTEMPTS = 4
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket. ``size_limit`` (bytes) and ``mime_types`` are None where the project's own limits hold."""

    name: str
    public: bool
    size_limit: int | None = None
    mime_types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as Storage lists it.

    Attributes:
        metadata: What the uploader said of it; empty in listings.
    """

    key: str
    size: int
    mime: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Storage:
    """One client, for one thread. Closing it ends what it is doing."""

    def __init__(
        self,
        api: Api,
        *,
        stopped: threading.Event | None = None,
        transport: httpx.BaseTransport | None = None,
        first_wait: float = 0.2,
    ) -> None:
        """
        Args:
            stopped: Ends the waiting between attempts.
            first_wait: Seconds before the second attempt; they double.
        """
        self.base = api.storage
        self._stopped = stopped or threading.Event()
        self._first_wait = first_wait
        self._client = httpx.Client(
            http2=False,
            headers=api.headers(),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=1),
            transport=transport,
            trust_env=transport is None,
        )

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    # Buckets

    def bucket(self, name: str) -> Bucket | None:
        """One bucket, or None where there is none of that name.

        Raises:
            TargetError: The project cannot be reached or does not let this program in.
        """
        try:
            found = self._json("GET", f"bucket/{in_url(name)}", f"The bucket {name} could not be looked up")
        except NotThere:
            return None
        return _bucket(found)

    def buckets(self) -> tuple[Bucket, ...]:
        """All buckets."""
        return tuple(_bucket(found) for found in self._json("GET", "bucket", "The buckets could not be listed"))

    def create_bucket(self, bucket: Bucket) -> None:
        """Make a bucket.

        Raises:
            ObjectThere: There is one of that name.
        """
        body: dict[str, Any] = {"id": bucket.name, "name": bucket.name, "public": bucket.public}
        if bucket.size_limit is not None:
            body["file_size_limit"] = bucket.size_limit
        if bucket.mime_types is not None:
            body["allowed_mime_types"] = list(bucket.mime_types)
        self._json("POST", "bucket", f"The bucket {bucket.name} could not be made", body=body)

    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket.

        Raises:
            StorageRefused: It is not empty, or not there.
        """
        self._json("DELETE", f"bucket/{in_url(name)}", f"The bucket {name} could not be removed")

    # Objects

    def upload(
        self,
        bucket: str,
        key: str,
        body: BinaryIO,
        size: int,
        *,
        mime: str,
        metadata: Mapping[str, str],
        name: str,
        between: Callable[[int], None] = lambda sent: None,
        cache_seconds: int = 3600,
        replaces: bool = False,
    ) -> None:
        """Store a file in one request; for files of up to 6 MB.

        Args:
            replaces: What is at the key gives way; else it is never replaced.
            body: Open for reading; read again from where it stands at each attempt.
            name: The file, as messages call it.
            between: Called with the bytes of each block that was handed to the connection; may raise.

        Raises:
            ObjectThere: An object of that key is there, perhaps of an earlier attempt.
            StorageRefused: Too large, of a type that the bucket does not take, or not let in.
            ConnectionLost: No answer, in several attempts.
        """
        start = body.tell()
        headers = {
            "Content-Type": mime,
            "Content-Length": str(size),
            "Cache-Control": f"max-age={cache_seconds}",
            **({"x-upsert": "true"} if replaces else {}),
            "x-metadata": base64.b64encode(json.dumps(dict(metadata)).encode("utf-8")).decode("ascii"),
        }

        def blocks() -> Iterator[bytes]:
            body.seek(start)
            yield from read_blocks(body, size, between)

        self._request(
            "POST",
            f"{self.base}/object/{in_url(bucket)}/{in_url(key)}",
            f"{name} could not be stored as {bucket}/{key}",
            headers=headers,
            content=blocks,
        )

    def info(self, bucket: str, key: str) -> StoredObject | None:
        """What Storage knows of an object, or None where there is none."""
        what = f"{bucket}/{key} could not be looked up"
        try:
            found = self._json("GET", f"object/info/{in_url(bucket)}/{in_url(key)}", what)
        except NotThere:
            return None
        metadata = found.get("metadata") or {}
        return StoredObject(
            key,
            int(found.get("size") or found.get("contentLength") or 0),
            str(found.get("content_type") or found.get("contentType") or ""),
            {str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {},
        )

    def objects(self, bucket: str, prefix: str = "", *, page: int = PAGE) -> Iterator[StoredObject]:
        """All objects of a bucket whose key begins with the prefix, in pages, in order of key."""
        cursor: str | None = None
        while True:
            body: dict[str, Any] = {"prefix": prefix, "limit": page, "with_delimiter": False}
            if cursor:
                body["cursor"] = cursor
            what = f"The objects of {bucket} could not be listed"
            answer = self._json("POST", f"object/list-v2/{in_url(bucket)}", what, body=body)
            for found in answer.get("objects") or ():
                about = found.get("metadata") or {}
                yield StoredObject(str(found["name"]), int(about.get("size") or 0), str(about.get("mimetype") or ""))
            cursor = answer.get("nextCursor") or None
            if not answer.get("hasNext") or cursor is None:
                return

    def download(
        self,
        bucket: str,
        key: str,
        into: BinaryIO | None = None,
        *,
        between: Callable[[int], None] = lambda received: None,
    ) -> tuple[int, str]:
        """Read an object, block by block.

        Args:
            into: Where the bytes go, from where it stands; None to look at them only.

        Returns:
            Bytes, and their SHA-256 in hex.

        Raises:
            NotThere: There is no such object.
        """
        start = into.tell() if into else 0
        what = f"{bucket}/{key} could not be read"
        url = f"{self.base}/object/authenticated/{in_url(bucket)}/{in_url(key)}"

        def once() -> tuple[int, str]:
            digest, size = hashlib.sha256(), 0
            if into:
                into.seek(start)
                into.truncate()
            with self._client.stream("GET", url) as response:
                if response.status_code != 200:
                    response.read()
                    raise refusal(response, what)
                for block in response.iter_bytes(BLOCK):
                    digest.update(block)
                    size += len(block)
                    if into:
                        into.write(block)
                    between(len(block))
            return size, digest.hexdigest()

        return self._again(once, url, what, sending=False)

    def remove(self, bucket: str, keys: Sequence[str]) -> int:
        """Remove objects, up to 1,000; those that are not there are passed over. How many there were."""
        what = f"{len(keys)} objects of {bucket} could not be removed"
        removed = self._json("DELETE", f"object/{in_url(bucket)}", what, body={"prefixes": list(keys)})
        return len(removed)

    def signed_url(self, bucket: str, key: str, seconds: int = 3600) -> str:
        """A URL that lets anyone read one object for some time."""
        what = f"A signed URL of {bucket}/{key} could not be made"
        found = self._json("POST", f"object/sign/{in_url(bucket)}/{in_url(key)}", what, body={"expiresIn": seconds})
        # The server writes the key as it is, with whatever means something else in a URL.
        token = str(found["signedURL"]).rpartition("?token=")[2]
        return f"{self.base}/object/sign/{in_url(bucket)}/{in_url(key)}?token={quote(token, safe='')}"

    def public_url(self, bucket: str) -> str:
        """What the URLs of a public bucket's objects begin with."""
        return public_base(self.base, bucket)

    # Requests

    def request(self, method: str, url: str, what: str, **how: Any) -> httpx.Response:
        """A request of another module of this room; as :meth:`_request`."""
        return self._request(method, url, what, **how)

    def _json(self, method: str, path: str, what: str, *, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Content-Type": "application/json"} if content is not None else {}
        response = self._request(method, f"{self.base}/{path}", what, headers=headers, content=content)
        try:
            return response.json()
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise no_answer_of_storage(response, what) from error

    def _request(
        self,
        method: str,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Callable[[], Iterable[bytes]] | None = None,
        attempts: int = ATTEMPTS,
        accept: tuple[int, ...] = (),
    ) -> httpx.Response:
        """Send, again after a passing fault. Every request of this class may be sent twice without harm."""

        def once() -> httpx.Response:
            body = content() if callable(content) else content
            response = self._client.request(method, url, headers=dict(headers or {}), content=body)
            if not response.is_success and response.status_code not in accept:
                raise refusal(response, what)
            return response

        return self._again(once, url, what, sending=callable(content), attempts=attempts)

    def _again(self, once: Callable[[], T], url: str, what: str, *, sending: bool, attempts: int = ATTEMPTS) -> T:
        def attempt() -> T:
            try:
                return once()
            except httpx.TransportError as error:
                raise unreachable(error, url, what, sending=sending) from error

        def sleep(seconds: float) -> None:
            if self._stopped.wait(seconds):
                raise Interrupted("CANCELLED", "Cancelled.", "`migrator-tui resume RUN` goes on where it stopped.")

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ConnectionLost),
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_random_exponential(multiplier=self._first_wait * 2, max=5),
            sleep=sleep,
            reraise=True,
        )(attempt)


def public_base(storage: str, bucket: str) -> str:
    """What the URLs of a public bucket's objects begin with, below Storage's base address."""
    return f"{storage}/object/public/{in_url(bucket)}/"


def read_blocks(body: BinaryIO, size: int, between: Callable[[int], None]) -> Iterator[bytes]:
    """The next ``size`` bytes, in blocks; fewer where the file ends before."""
    left = size
    while left:
        block = body.read(min(BLOCK, left))
        if not block:
            return
        left -= len(block)
        yield block
        between(len(block))


def _bucket(found: Mapping[str, Any]) -> Bucket:
    limit, mimes = found.get("file_size_limit"), found.get("allowed_mime_types")
    return Bucket(
        str(found["id"]),
        bool(found.get("public")),
        int(limit) if limit is not None else None,
        tuple(mimes) if mimes else None,
    )
