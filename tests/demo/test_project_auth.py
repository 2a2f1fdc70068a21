"""Auth's answers, as the real server gives them; asked of a real project where the environment names one."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid

import bcrypt
import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id
from supabase_auth.errors import AuthApiError

from tests.demo.project_clients import Reached, address, client

PASSWORD = "correct horse"


def b64(raw: bytes) -> str:
    """Base64 as argon2's text has it: without padding."""
    return base64.b64encode(raw).decode().rstrip("=")


def argon(kind: str) -> str:
    """A hash of the password."""
    salt = os.urandom(16)
    algorithm = Argon2id if kind == "argon2id" else Argon2i
    derived = algorithm(salt=salt, length=32, iterations=2, lanes=1, memory_cost=64).derive(PASSWORD.encode())
    return f"${kind}$v=19$m=64,t=2,p=1${b64(salt)}${b64(derived)}"


def firebase() -> str:
    """A hash of the password as Firebase exports it."""
    salt, separator, signer = os.urandom(8), os.urandom(1), os.urandom(64)
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt + separator, n=1 << 8, r=8, p=1, dklen=32)
    hashed = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(signer)
    text = [base64.b64encode(part).decode() for part in (separator, signer, salt, hashed)]
    return f"$fbscrypt$v=1,n=8,r=8,p=1,ss={text[0]},sk={text[1]}${text[2]}${text[3]}"


def of_bcrypt(prefix: str) -> str:
    """A hash of the password with another minor version."""
    return prefix + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()[4:]


def create(api: Reached, **attributes: object) -> httpx.Response:
    """A user made by an admin."""
    return api.auth.post("/admin/users", json={"email": address(), **attributes})


def sign_in(api: Reached, email: str, password: str = PASSWORD) -> httpx.Response:
    """What the password grant answers."""
    return api.anyone.post("/auth/v1/token?grant_type=password", json={"email": email, "password": password})


def said(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error_code"]


@pytest.mark.parametrize(
    "hashed",
    [of_bcrypt("$2a$"), of_bcrypt("$2b$"), of_bcrypt("$2y$"), argon("argon2id"), argon("argon2i"), firebase()],
    ids=["2a", "2b", "2y", "argon2id", "argon2i", "fbscrypt"],
)
def test_a_user_with_an_imported_hash_signs_in_with_the_old_password(api: Reached, hashed: str) -> None:
    user = create(api, password_hash=hashed, email_confirm=True).json()
    assert sign_in(api, user["email"]).json()["user"]["id"] == user["id"]
    assert said(sign_in(api, user["email"], "wrong")) == (400, "invalid_credentials")


@pytest.mark.parametrize(
    "hashed",
    [
        "pbkdf2_sha256$600000$a$b",
        "scrypt:32768:8:1$a$b",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$argon2d$v=19$m=64,t=2,p=1$YWFhYWFhYWE$YWFh",
        "$argon2id$v=16$m=64,t=2,p=1$YWFhYWFhYWE$YWFh",
    ],
)
def test_a_hash_of_another_kind_is_refused(api: Reached, hashed: str) -> None:
    answer = create(api, password_hash=hashed)
    assert said(answer) == (500, "unexpected_failure")
    assert answer.json()["msg"] == "Error creating user"


def test_a_chosen_id_metadata_and_role_are_kept(api: Reached) -> None:
    id = str(uuid.uuid5(uuid.NAMESPACE_URL, address()))
    made = create(api, id=id, app_metadata={"roles": ["staff"]}, user_metadata={"name": "Ada"}, role="authenticated")
    user = made.json()
    assert (user["id"], user["role"], user["user_metadata"]) == (id, "authenticated", {"name": "Ada"})
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"], "roles": ["staff"]}


@pytest.mark.parametrize("id", ["7", "00000000-0000-0000-0000-000000000000"])
def test_an_id_that_is_no_uuid_or_nil_is_refused(api: Reached, id: str) -> None:
    assert said(create(api, id=id)) == (400, "validation_failed")


def test_an_address_that_is_taken_is_refused_in_any_case(api: Reached) -> None:
    email = address()
    create(api, email=email)
    assert said(create(api, email=email.upper())) == (422, "email_exists")


def test_a_phone_that_is_taken_is_refused(api: Reached) -> None:
    phone = f"49{uuid.uuid4().int % 10**9:09}"
    assert create(api, phone=phone).status_code == 200
    assert said(create(api, phone=phone)) == (422, "phone_exists")


@pytest.mark.parametrize("email", ["no address", "a@", "a b@example.org", "@example.org"])
def test_an_address_that_is_none_is_refused(api: Reached, email: str) -> None:
    assert said(create(api, email=email)) == (400, "validation_failed")


def test_a_password_and_a_hash_at_once_are_refused(api: Reached) -> None:
    assert said(create(api, password="x", password_hash=of_bcrypt("$2a$"))) == (400, "validation_failed")


def test_the_library_reads_the_error_codes(api: Reached) -> None:
    email = address()
    create(api, email=email)
    with pytest.raises(AuthApiError) as caught:
        api.library.auth.admin.create_user({"email": email})
    assert (caught.value.status, caught.value.code) == (422, "email_exists")


def test_an_unconfirmed_user_does_not_get_in(api: Reached) -> None:
    user = create(api, password=PASSWORD).json()
    assert said(sign_in(api, user["email"])) == (400, "email_not_confirmed")


def test_a_banned_user_does_not_get_in_until_the_ban_is_lifted(api: Reached) -> None:
    user = create(api, password=PASSWORD, email_confirm=True, ban_duration="24h").json()
    assert said(sign_in(api, user["email"])) == (400, "user_banned")
    api.auth.put(f"/admin/users/{user['id']}", json={"ban_duration": "none"})
    assert sign_in(api, user["email"]).status_code == 200


def test_a_hash_counts_only_when_the_user_is_made(api: Reached) -> None:
    user = create(api, password="another one", email_confirm=True).json()
    api.auth.put(f"/admin/users/{user['id']}", json={"password_hash": of_bcrypt("$2a$")})
    assert said(sign_in(api, user["email"])) == (400, "invalid_credentials")


def test_an_update_merges_metadata_and_a_null_takes_a_key_out(api: Reached) -> None:
    user = create(api, app_metadata={"a": 1, "b": {"c": None}}).json()
    changed = api.auth.put(f"/admin/users/{user['id']}", json={"app_metadata": {"a": None, "d": 2}}).json()
    assert changed["app_metadata"] == {"provider": "email", "providers": ["email"], "b": {"c": None}, "d": 2}


def test_users_come_fifty_a_page(api: Reached) -> None:
    made = {create(api).json()["id"] for _ in range(53)}
    first, seen, page = api.auth.get("/admin/users"), set(), 1
    assert len(first.json()["users"]) == 50
    while users := api.auth.get("/admin/users", params={"page": page}).json()["users"]:
        seen |= {user["id"] for user in users}
        page += 1
    assert made <= seen
    assert int(first.headers["x-total-count"]) == len(seen)


def test_a_deleted_user_is_gone(api: Reached) -> None:
    user = create(api).json()
    assert api.auth.delete(f"/admin/users/{user['id']}").status_code == 200
    assert said(api.auth.get(f"/admin/users/{user['id']}")) == (404, "user_not_found")
    assert said(api.auth.delete(f"/admin/users/{user['id']}")) == (404, "user_not_found")


def test_only_the_secret_key_administers(api: Reached) -> None:
    assert api.anyone.get("/auth/v1/admin/users").status_code in (401, 403)
    assert httpx.get(f"{api.url}/auth/v1/admin/users").status_code == 401
    assert httpx.get(f"{api.url}/auth/v1/admin/users", headers={"apikey": "sb_secret_no"}).status_code == 401


def test_a_signed_in_user_is_who_the_token_says(api: Reached) -> None:
    user = create(api, password=PASSWORD, email_confirm=True).json()
    signed_in = client(api.url, api.publishable_key)
    signed_in.auth.sign_in_with_password({"email": user["email"], "password": PASSWORD})
    found = signed_in.auth.get_user()
    assert found is not None
    assert found.user.id == user["id"]


def test_it_says_that_it_is_well(api: Reached) -> None:
    assert api.auth.get("/health").status_code == 200
    assert api.auth.get("/settings").json()["external"]["email"] is True
