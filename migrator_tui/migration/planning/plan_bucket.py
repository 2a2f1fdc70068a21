"""Planning which of a column's files their bucket takes: limits, types, keys that are too long or taken already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migrator_tui.convert.object_keys import is_too_long
from migrator_tui.migration.files.matching_files import NamedFile, count, takes_type
from migrator_tui.model.project import FilesPlan, FilesScope
from migrator_tui.supabase.storage_api import Bucket

FREE_PLAN_BYTES = 50_000_000
"""A file's size limit on Supabase's free plan; ``10MB`` means 10,000,000 bytes there."""
SHOWN = 5

Find = Callable[[str, str, Sequence[str], tuple[str, ...]], str]
"""Records a finding of the column: id, message, samples, choices; gives the choice to plan by."""


@dataclass
class BucketCheck:
    """One column's files, looked at one after the other.

    Attributes:
        bucket: As it is there, or will be made.
        asked: As it was asked for.
        objects: Key → bytes of what the bucket holds.
    """

    bucket: Bucket
    asked: Bucket
    objects: Mapping[str, int]
    _files: int = 0
    _bytes: int = 0
    _large: list[NamedFile] = field(default_factory=list)
    _too_large: list[NamedFile] = field(default_factory=list)
    _types: list[NamedFile] = field(default_factory=list)
    _long: list[NamedFile] = field(default_factory=list)
    _taken: list[NamedFile] = field(default_factory=list)

    def add(self, item: NamedFile) -> None:
        """Look at a file."""
        bucket, size = self.bucket, item.file.size
        if bucket.size_limit is not None and size > bucket.size_limit:
            self._too_large.append(item)
        elif not takes_type(bucket.mime_types, item.file.type):
            self._types.append(item)
        elif is_too_long(item.key):
            self._long.append(item)
        else:
            self._files += 1
            self._bytes += size
            if size > FREE_PLAN_BYTES and bucket.size_limit is None:
                self._large.append(item)
            if self.objects.get(item.key, size) != size:
                self._taken.append(item)

    def finished(self, files: FilesPlan, find: Find) -> FilesPlan:
        """The plan with what was seen, all told."""
        bucket, name = self.bucket, files.bucket
        files = replace(files, files=self._files, bytes=self._bytes)
        if differing := _differing(bucket, self.asked):
            find("FILES-BUCKET", f"The bucket {name} is there: it is {differing}.", (), ("use",))
        if self._too_large and bucket.size_limit is not None:
            several = count(len(self._too_large), "file")
            message = f"{several} above the limit of the bucket {name}, {_mb(bucket.size_limit)}."
            find("FILES-TOO-LARGE", message, _paths(self._too_large, sizes=True), ("leave",))
            files = replace(files, size_limit=bucket.size_limit)
        if self._types:
            message = f"{count(len(self._types), 'file')} of a type that the bucket {name} does not take."
            find("FILES-TYPE", message, _paths(self._types), ("leave",))
            files = replace(files, mime_types=bucket.mime_types)
        if self._long:
            message = f"{count(len(self._long), 'file')} with a path that is too long for a key."
            find("FILES-KEY", message, _paths(self._long), ("leave",))
        if self._large:
            message = f"{count(len(self._large), 'file')} above 50 MB, which the free plan does not take."
            find("FILES-LARGE", message, _paths(self._large, sizes=True), ())
        if self._taken:
            several = count(len(self._taken), "key")
            message = f"{several} in the bucket {name} taken by an object of another size."
            find("FILES-CONFLICT", message, [item.key for item in self._taken], ("keep",))
            files = replace(files, keeps_others=True)
        return files


def with_limits(files: FilesPlan, bucket: Bucket) -> FilesPlan:
    """The plan with what its bucket takes."""
    return replace(files, bucket_size_limit=bucket.size_limit, bucket_mime_types=bucket.mime_types)


def asked_bucket(scope: FilesScope) -> Bucket:
    """The bucket as one column's files want it."""
    return Bucket(scope.bucket, scope.public, scope.size_limit, scope.mime_types)


def _differing(there: Bucket, asked: Bucket) -> str:
    """What of a bucket is otherwise than was asked, in words; empty where nothing is."""
    said = []
    if there.public != asked.public:
        is_, wanted = ("public", "private") if there.public else ("private", "public")
        said.append(f"{is_}, and was asked to be {wanted}")
    if asked.size_limit not in (None, there.size_limit):
        limit = "without a limit of size" if there.size_limit is None else f"limited to {_mb(there.size_limit)} a file"
        said.append(f"{limit}, and {_mb(asked.size_limit or 0)} were asked for")
    if asked.mime_types is not None and set(asked.mime_types) != set(there.mime_types or ()):
        taken = ", ".join(there.mime_types) if there.mime_types else "every type"
        said.append(f"made for {taken}, and {', '.join(asked.mime_types)} were asked for")
    return "; ".join(said)


def _paths(files: Sequence[NamedFile], *, sizes: bool = False) -> list[str]:
    return [f"{item.file.path} ({_mb(item.file.size)})" if sizes else item.file.path for item in files[:SHOWN]]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
