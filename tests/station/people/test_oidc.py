"""Log-in by OpenID Connect, at a provider that runs on this machine."""

from __future__ import annotations

import base64
import hmac
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from oidc_provider_mock import User, run_server_in_thread

from saec.errors import ConfigError, ExtraError, LogInError
from saec.station.audit.audit_log import AuditLog
from saec.station.people import oidc
from saec.station.people.oidc import OidcLogIn, OidcStart, check_oidc
from saec.station.people.people_audit import audited
from saec.station.people.people_settings import OidcSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from tests.station.people.clocks import Clock

BACK = "http://127.0.0.1:8090/page/oidc/callback"
ROLES = {"staff": Role.OPERATOR, "process": Role.ENGINEER, "it": Role.ADMIN}
USERS = (
    User(sub="1", claims={"preferred_username": "anna", "groups": ["cooks", "staff", "process"]}),
    User(sub="2", claims={"preferred_username": "bob", "groups": "staff", "realm": {"roles": ["it"]}}),
    User(sub="3", claims={"preferred_username": "eve", "groups": ["cooks"]}),
    User(sub="4", claims={"groups": ["staff"]}),
    User(sub="5", claims={"preferred_username": "<b>x</b>", "groups": ["staff"]}),
)


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with run_server_in_thread(user_claims=USERS, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def settings(provider: str, tmp_path: Path) -> OidcSettings:
    secret = tmp_path / "secret"
    secret.write_text("a secret of the client\n")
    return OidcSettings(issuer=provider, client_id="cell-3", client_secret_file=secret, roles=ROLES)


@pytest.fixture
def log_in(settings: OidcSettings, store: PeopleStore) -> OidcLogIn:
    return OidcLogIn(settings, store)


def answered(start: OidcStart, sub: str) -> dict[str, str]:
    """The query with which the provider sends the browser back once a person has let it."""
    form = {"action": "deny"} if sub == "" else {"sub": sub}
    answer = httpx.post(start.address, data=form, trust_env=False)
    assert answer.is_redirect, answer.text
    assert answer.headers["location"].startswith(BACK)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def test_a_person_of_the_provider_logs_in(log_in: OidcLogIn, store: PeopleStore, tmp_path: Path) -> None:
    start = log_in.begin(BACK)
    anna = log_in.finish(start.cookie, answered(start, "1"), BACK, note=audited(tmp_path, None, "engineer"))
    assert (anna.name, anna.role, anna.via) == ("anna", "engineer", "oidc")
    assert store.all() == [anna]
    actions = [(row.actor, row.what, row.about) for row in AuditLog(tmp_path).rows()]
    assert actions == [("anna", "person.log_in", "anna"), ("anna", "person.role", "anna")]
    start = log_in.begin(BACK)
    assert log_in.finish(start.cookie, answered(start, "1"), BACK) == anna


def test_nothing_is_asked_before_somebody_logs_in(settings: OidcSettings, store: PeopleStore) -> None:
    nobody = msgspec.structs.replace(settings, issuer="http://127.0.0.1:1")
    check_oidc(nobody)
    log_in = OidcLogIn(nobody, store)
    with pytest.raises(LogInError, match="cannot be reached"):
        log_in.begin(BACK)


def test_the_flow_has_state_nonce_and_pkce(log_in: OidcLogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    start = log_in.begin(BACK)
    asked = dict(parse_qsl(urlsplit(start.address).query))
    state, nonce, verifier = start.cookie.split(".")
    assert (asked["state"], asked["nonce"], asked["redirect_uri"]) == (state, nonce, BACK)
    assert asked["code_challenge"] == create_s256_code_challenge(verifier)
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert len({state, nonce, verifier, *log_in.begin(BACK).cookie.split(".")}) == 6
    posted: list[bytes] = []
    send = httpx.Client.send

    def watched(client: httpx.Client, request: httpx.Request, **more: Any) -> httpx.Response:
        posted.append(request.content)
        return send(client, request, **more)

    answer = answered(start, "1")
    monkeypatch.setattr(httpx.Client, "send", watched)
    log_in.finish(start.cookie, answer, BACK)
    assert f"code_verifier={verifier}".encode() in posted[0]


@pytest.mark.parametrize(
    ("sub", "change", "what"),
    [
        ("3", {}, "no role"),
        ("4", {}, "does not say your name"),
        ("5", {}, "cannot be a name"),
        ("2", {"role_claim": "nothing"}, "no role"),
        ("2", {"role_claim": "realm.roles"}, Role.ADMIN),
        ("2", {}, Role.OPERATOR),
    ],
)
def test_roles_come_from_the_claim_that_is_named(
    settings: OidcSettings, store: PeopleStore, sub: str, change: dict[str, Any], what: str
) -> None:
    log_in = OidcLogIn(msgspec.structs.replace(settings, **change), store)
    start = log_in.begin(BACK)
    answer = answered(start, sub)
    if isinstance(what, Role):
        assert log_in.finish(start.cookie, answer, BACK).role is what
        return
    with pytest.raises(Exception, match=what):
        log_in.finish(start.cookie, answer, BACK)
    assert store.all() == []


def test_the_provider_may_say_no(log_in: OidcLogIn, store: PeopleStore) -> None:
    start = log_in.begin(BACK)
    with pytest.raises(LogInError, match="not let you in"):
        log_in.finish(start.cookie, answered(start, "") | {"state": start.cookie.split(".")[0]}, BACK)


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(
    log_in: OidcLogIn, store: PeopleStore
) -> None:
    mine, other = log_in.begin(BACK), log_in.begin(BACK)
    answer = answered(mine, "1")
    state, nonce, verifier = mine.cookie.split(".")
    for cookie in ("", "..", "a.b.c", other.cookie, f"{state}.{nonce}", f"\udcff.{nonce}.{verifier}"):
        with pytest.raises(LogInError, match="not begun in this browser"):
            log_in.finish(cookie, answer, BACK)
    for changed in ({"state": ""}, {"state": "é"}, {"iss": "https://evil.example"}):
        with pytest.raises(LogInError):
            log_in.finish(mine.cookie, answer | changed, BACK)
    with pytest.raises(LogInError, match="not valid"):  # the nonce of another log-in
        log_in.finish(f"{state}.{other.cookie.split('.')[1]}.{verifier}", answer, BACK)
    assert store.all() == []


def test_a_code_is_taken_once_and_for_its_address(log_in: OidcLogIn) -> None:
    start = log_in.begin(BACK)
    answer = answered(start, "1")
    with pytest.raises(LogInError, match="does not take the code"):
        log_in.finish(start.cookie, answer, "http://127.0.0.1:9/page/oidc/callback")
    log_in.finish(start.cookie, answer, BACK)
    with pytest.raises(LogInError, match="does not take the code"):
        log_in.finish(start.cookie, answer, BACK)


KEY = RSAKey.generate_key(2048, {"kid": "one"})
NEXT = RSAKey.generate_key(2048, {"kid": "two"})
ISSUER = "https://login.example"


class Scripted:
    """A provider whose every answer a test can choose."""

    def __init__(self) -> None:
        self.keys = [KEY]
        self.key, self.alg = KEY, "RS256"
        self.change: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {"sub": "1"}
        self.nonce = ""
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path.endswith("openid-configuration"):
            ends = {
                "authorization_endpoint": "/a",
                "token_endpoint": "/t",
                "jwks_uri": "/k",
                "userinfo_endpoint": "/u",
            }
            said = {"issuer": ISSUER} | {name: ISSUER + end for name, end in ends.items()}
            return httpx.Response(200, json=said | self.document)
        if path == "/k":
            return httpx.Response(200, json=KeySet(list(self.keys)).as_dict(private=False))
        if path == "/u":
            assert request.headers["authorization"] == "Bearer at"
            return httpx.Response(200, json=self.userinfo)
        assert ("authorization" in request.headers) != (b"client_id=cell-3" in request.content)
        return httpx.Response(
            200, json={"access_token": "at", "token_type": "bearer", "id_token": self.token()}
        )

    def token(self) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER, "aud": "cell-3", "sub": "1", "exp": now + 300, "iat": now, "nonce": self.nonce,
            "preferred_username": "anna", "groups": ["staff"],
        } | self.change  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.alg == "none":
            return signed({"alg": "none"}, claims, b"")
        if self.alg == "HS256":
            return signed({"alg": "HS256", "kid": "one"}, claims, KEY.as_pem(private=False))
        return jwt.encode({"alg": self.alg, "kid": self.key.kid}, claims, self.key, algorithms=[self.alg])


def signed(header: dict[str, str], claims: dict[str, Any], secret: bytes) -> str:
    """A token by hand, as nobody should take it; unsigned without a secret."""
    parts = [base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=") for part in (header, claims)]
    mark = hmac.new(secret, b".".join(parts), "sha256").digest() if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(mark).rstrip(b"=")]).decode()


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    provider = Scripted()
    monkeypatch.setattr(
        OidcLogIn, "_client", lambda self: httpx.Client(transport=httpx.MockTransport(provider))
    )
    return provider


def logged_in(scripted: Scripted, store: PeopleStore, clock: Clock | None = None, **change: Any) -> Any:
    """Log in at a provider that says what it is told to."""
    settings = OidcSettings(issuer=ISSUER, client_id="cell-3", roles=ROLES, **change)
    log_in = OidcLogIn(settings, store, steady=clock or Clock())
    return finished(log_in, scripted)


def finished(log_in: OidcLogIn, scripted: Scripted) -> Any:
    start = log_in.begin(BACK)
    state, scripted.nonce, _ = start.cookie.split(".")
    return log_in.finish(start.cookie, {"state": state, "code": "c", "iss": ISSUER}, BACK)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["cell-3", "another-client"]},  # and no azp
        {"azp": "another-client"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": None},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
def test_a_claim_that_is_not_for_this_log_in_is_refused(
    scripted: Scripted, store: PeopleStore, change: dict[str, Any]
) -> None:
    assert logged_in(scripted, store).name == "anna"
    store.remove("anna")
    scripted.change = change
    with pytest.raises(LogInError):
        logged_in(scripted, store)
    assert store.all() == []


def test_a_token_that_the_provider_has_not_signed_is_refused(scripted: Scripted, store: PeopleStore) -> None:
    scripted.alg = "none"
    with pytest.raises(LogInError, match="not valid"):
        logged_in(scripted, store)
    scripted.alg, scripted.key = "RS256", RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(LogInError, match="not valid"):
        logged_in(scripted, store)
    scripted.alg = "HS256"  # with the public key, which everybody has, as the secret
    with pytest.raises(LogInError, match="not valid"):
        logged_in(scripted, store)


def test_a_new_key_of_the_provider_is_fetched(scripted: Scripted, store: PeopleStore) -> None:
    log_in = OidcLogIn(OidcSettings(issuer=ISSUER, client_id="cell-3", roles=ROLES), store, steady=Clock())
    finished(log_in, scripted)
    finished(log_in, scripted)
    assert scripted.asked.count("/k") == 1
    scripted.keys, scripted.key = [NEXT], NEXT
    assert finished(log_in, scripted).name == "anna"
    assert scripted.asked.count("/k") == 2
    assert len([path for path in scripted.asked if path.endswith("openid-configuration")]) == 1


def test_what_the_token_does_not_say_userinfo_says(scripted: Scripted, store: PeopleStore) -> None:
    scripted.change = {"groups": None}
    with pytest.raises(LogInError, match="no role"):
        logged_in(scripted, store)
    scripted.userinfo = {"sub": "1", "groups": ["it"], "iss": "x"}
    assert logged_in(scripted, store).role is Role.ADMIN
    scripted.userinfo = {"sub": "2", "groups": ["it"]}
    with pytest.raises(LogInError, match="another person"):
        logged_in(scripted, store)


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"issuer": "https://evil.example"}, "another issuer"),
        ({"token_endpoint": "http://login.example/t"}, "not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "not https"),
        ({"token_endpoint": 7}, "cannot be read"),
    ],
)
def test_a_discovery_document_that_misleads_is_refused(
    scripted: Scripted, store: PeopleStore, document: dict[str, Any], what: str
) -> None:
    scripted.document = document
    with pytest.raises(LogInError, match=what):
        logged_in(scripted, store)


def test_without_the_packages_the_extra_is_named(
    settings: OidcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "find_spec", lambda package: None)
    with pytest.raises(ExtraError) as caught:
        check_oidc(settings)
    assert "saec[oidc]" in caught.value.remedy
    check_oidc(OidcSettings())


def test_a_secret_that_is_not_there_is_named_before_the_start(settings: OidcSettings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone"):
        check_oidc(msgspec.structs.replace(settings, client_secret_file=tmp_path / "gone"))
