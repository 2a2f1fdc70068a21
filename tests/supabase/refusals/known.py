"""The refusals that a project's servers are known for, and those that are provoked here: a test holds them equal.

The first list is the field's: what documentation, the servers' sources and reports of users name, area by area.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.supabase.refusals.of_auth import BY_AUTH
from tests.supabase.refusals.of_connecting import BY_POOLERS, IN_TLS, IN_URLS
from tests.supabase.refusals.of_servers import BY_SERVERS
from tests.supabase.refusals.of_storage import BY_STORAGE
from tests.supabase.refusals.of_tables import OF_TABLES
from tests.supabase.refusals.words import Refusal

KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "URL": (
            "the direct host is IPv6 unless the add-on is bought",
            "the pooler's user is postgres.<ref>",
            "6543 is transaction mode",
            "the password is percent-encoded",
            "the refs of API URL and database agree",
            "verify-full by default takes the CA",
        ),
        "TLS": (
            "a certificate that another CA signed",
            "a certificate for another host",
            "sslrootcert=system does not know the private CA",
            "a server that speaks no TLS",
        ),
        "Pooler": (
            "(ENOTFOUND) tenant/user not found",
            "(EMAXCONNSESSION)",
            "(EADDRNOTALLOWED): network restrictions",
            "(ESSLREQUIRED)",
            "(ECIRCUITBREAKER) blocked until",
            "28P01: never retried by itself",
        ),
        "Database": (
            "a paused project does not resolve",
            "a paused project refuses",
            "small projects: 60 connections",
            "25006: an overfull project is read-only",
            "53100: disk full",
            "no DDL in auth, storage, realtime",
            "nothing of auth is altered",
            "DISABLE TRIGGER ALL fails",
            "SQL DELETE on storage.objects is refused",
            "service_role cannot read auth.users",
            "a missing grant is 42501",
            "pulling without BYPASSRLS gives 0 rows",
        ),
        "Auth": (
            "422 email_exists",
            "422 phone_exists",
            "a failing trigger: Database error creating new user",
            "a token that is NULL: Database error querying schema",
            "hashes of Django, werkzeug, SHA, MD5: password reset",
            "password_hash that Auth cannot read",
            "an address that is none",
            "the nil UUID is no id",
            "one identity a provider: unique (provider_id, provider)",
            "confirmed_at and identities.email are generated",
            "a publishable key is not enough",
            "a key of another project",
            "429 and 5xx are tried again",
            "an error that is no JSON",
            "no answer: RemoteProtocolError",
            "a user whom something refers to is not deleted",
        ),
        "Storage": (
            "409 KeyAlreadyExists",
            "409 BucketAlreadyExists",
            "413 EntityTooLarge, of the bucket",
            "413 of the project: 50 MB a file on the free plan",
            "an early 413 can look like a broken pipe",
            "415 invalid_mime_type",
            "404 NoSuchBucket",
            "404 NoSuchKey",
            "400 InvalidKey: no other Unicode, no # % ~ [ ] { }",
            "403 AccessDenied",
            "a key of another project",
            "409: a bucket that is not empty",
            "bucket names of at most 100 characters",
            "bucket names of the same letters, without /",
            "../e leaves the bucket",
            "a?.png, x:y.png and a%20b become other keys",
            "TUS: 409 duplicate in plain text",
            "TUS: 409 wrong offset",
            "TUS: the upload's URL is valid for 24 h",
            "429 is tried again",
            "5xx is tried again",
            "an overfull project is read-only",
            "an error that is no JSON",
            "a page in place of an answer: JSONDecodeError",
            "no answer in time",
            "RemoteProtocolError",
            "list gives 100 of one folder",
        ),
        "Linter": (
            "0013: row-level security is off in public",
            "0023: sensitive columns",
            "0015: user_metadata in a policy",
            "0021: foreign keys to columns of auth that are no primary key",
            "a policy asks auth.uid() once a row",
            "a policy's column has no index",
            "views run with their owner's rights",
        ),
    }
)

REFUSALS: tuple[Refusal, ...] = (
    *IN_URLS,
    *IN_TLS,
    *BY_POOLERS,
    *BY_SERVERS,
    *BY_AUTH,
    *BY_STORAGE,
    *OF_TABLES,
)
