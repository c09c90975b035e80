"""Log-in by a provider of OpenID Connect: authorisation code flow with PKCE, state and nonce.

The rules are those of OpenID Connect Core 1.0, RFC 7636 (PKCE), RFC 9207 (the issuer in the answer) and the
advice of RFC 9700. What a log-in under way has to remember lies in a cookie of its browser. So nobody fills
this machine's memory with beginnings. The provider is first asked when somebody logs in.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import msgspec
import structlog

from saec.connecting import client_context, http_address, why
from saec.decoding import decode
from saec.errors import ConfigError, ExtraError, LogInError
from saec.station.people.people_settings import OidcSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.person import Note, Person, unnoted
from saec.station.people.roles import Role
from saec.texts import read_secret
from saec.web.addresses import is_loopback

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

_PATIENCE = 5.0
_FRESH_S = 3600.0
"""Seconds for which the provider's addresses and keys are not asked for again."""

_LEEWAY_S = 60
"""Seconds by which the clocks of provider and station may differ."""

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_ALGORITHMS += ["EdDSA", "Ed25519"]
"""Signatures by a key that the provider alone has."""

_LARGEST = 1 << 20

T = TypeVar("T")

log = structlog.get_logger()


class OidcStart(msgspec.Struct, frozen=True):
    """A log-in that begins.

    Attributes:
        address: where the browser goes now.
        cookie: what the browser brings back: a cookie for ``/page/oidc`` alone, with HttpOnly and
            SameSite=Lax, for ten minutes.
    """

    address: str
    cookie: str


class _Provider(msgspec.Struct, frozen=True):
    """What the discovery document says."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None


class OidcLogIn:
    """Log-ins by the provider of the settings; safe to use from several threads.

    Args:
        settings: the provider, and what its groups may do here.
        store: keeps the people.
        steady: seconds by a clock that cannot be set.

    Raises:
        ExtraError: the packages of ``saec[oidc]`` are not installed.
        ConfigError: a file of the settings cannot be read, or no provider is set.
    """

    def __init__(
        self, settings: OidcSettings, store: PeopleStore, *, steady: Callable[[], float] = time.monotonic
    ) -> None:
        check_oidc(settings)
        if settings.issuer is None or settings.client_id is None:
            raise ConfigError("no provider of OpenID Connect is set", "set people.oidc.issuer and client_id")
        self._issuer, self._client_id = settings.issuer, settings.client_id
        self._settings, self._store, self._steady = settings, store, steady
        self._context = client_context(settings.ca_file)
        self._lock = threading.Lock()
        self._provider: tuple[_Provider, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    def begin(self, redirect_uri: str) -> OidcStart:
        """Begin a log-in.

        Args:
            redirect_uri: where the provider sends the browser back to: ``/page/oidc/callback`` of the
                station, as the provider knows it.

        Raises:
            LogInError: the provider cannot be asked.
        """
        from authlib.common.urls import add_params_to_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        with self._client() as client:
            provider = self._known_provider(client)
        address = str(add_params_to_uri(provider.authorization_endpoint, list(asked.items())))
        return OidcStart(address, f"{state}.{nonce}.{verifier}")

    def finish(
        self, cookie: str, answer: Mapping[str, str], redirect_uri: str, *, note: Note = unnoted
    ) -> Person:
        """The person for whom the provider vouches.

        Args:
            cookie: ``OidcStart.cookie``, as the browser has brought it back.
            answer: the query with which the provider has sent the browser back.
            redirect_uri: the one of ``begin``.
            note: records the log-in.

        Raises:
            LogInError: the log-in was begun elsewhere, the provider refuses or cannot be asked, or what it
                says is not signed by it for this station, this log-in and a person with a role.
            PeopleError: the person's name at the provider cannot be one here.
        """
        state, _, rest = cookie.partition(".")
        nonce, _, verifier = rest.partition(".")
        given = answer.get("state", "")
        if not (state and nonce and verifier) or not _same(state, given):
            raise LogInError("this log-in was not begun in this browser, or too long ago", "log in again")
        if answer.get("iss", self._issuer).rstrip("/") != self._issuer.rstrip("/"):
            raise LogInError("the answer comes from another provider", "log in again")
        if "code" not in answer:
            log.warning("provider refused a log-in", error=answer.get("error", "")[:80])
            raise LogInError("the provider has not let you in", "log in again, or ask its admin")
        with self._client() as client:
            provider = self._known_provider(client)
            token = self._token(client, provider, answer["code"], verifier, redirect_uri)
            claims = self._claims(client, provider, token, nonce)
            if _claim(claims, self._settings.role_claim) is None:
                claims |= self._more_claims(client, provider, token, claims["sub"])
        name = _claim(claims, self._settings.name_claim)
        if not isinstance(name, str):
            raise LogInError(
                "the provider does not say your name", "ask an admin to set people.oidc.name_claim"
            )
        return self._store.admit(f"{provider.issuer} {claims['sub']}", name, self._role(claims), note=note)

    def _client(self) -> httpx.Client:
        return httpx.Client(verify=self._context, timeout=_PATIENCE, trust_env=False)

    def _known_provider(self, client: httpx.Client) -> _Provider:
        with self._lock:
            known = self._provider
        if known is not None and self._steady() < known[1]:
            return known[0]
        document = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        provider = self._read(client, document, _Provider)
        if provider.issuer.rstrip("/") != self._issuer.rstrip("/"):
            raise self._failed("the discovery document is another issuer's", issuer=provider.issuer[:200])
        for address in (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri):
            self._check_secure(address)
        with self._lock:
            self._provider = (provider, self._steady() + _FRESH_S)
        return provider

    def _check_secure(self, address: str) -> None:
        url = http_address(address)
        if url is None or (url.scheme != "https" and not is_loopback(url.hostname or "")):
            raise self._failed("an address of the provider is not https", address=address[:200])

    def _read(self, client: httpx.Client, address: str, kind: type[T], **headers: str) -> T:
        """What an address of the provider says, as a type.

        Raises:
            LogInError: there is no answer, or it is no good one.
        """
        try:
            answer = client.get(address, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPStatusError as e:
            raise self._failed("the provider answers with an error", status=e.response.status_code) from e
        except httpx.HTTPError as e:
            raise self._failed("the provider cannot be reached", error=why(e)[0]) from e
        if len(answer.content) > _LARGEST:
            raise self._failed("the provider's answer is too long")
        try:
            return decode(answer.content, kind)
        except msgspec.DecodeError as e:
            raise self._failed("the provider's answer cannot be read", error=str(e)[:200]) from e

    def _token(
        self, client: httpx.Client, provider: _Provider, code: str, verifier: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        """What the provider gives for the code."""
        from authlib.oauth2 import OAuth2Error
        from authlib.oauth2.client import OAuth2Client

        file, auth, more = self._settings.client_secret_file, httpx.Auth(), {"client_id": self._client_id}
        if file is not None:
            auth, more = httpx.BasicAuth(self._client_id, read_secret(file, "client secret")), {}
        exchange = OAuth2Client(client, self._client_id)
        try:
            token: Mapping[str, Any] = exchange.fetch_token(
                provider.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=verifier,
                auth=auth,
                **more,
            )
        except OAuth2Error as e:
            raise self._failed("the provider does not take the code", error=str(e.error)[:80]) from e
        except httpx.HTTPError as e:
            raise self._failed("the provider cannot be reached", error=why(e)[0]) from e
        except ValueError as e:
            raise self._failed("the provider's answer cannot be read", error=str(e)[:200]) from e
        return token

    def _claims(
        self, client: httpx.Client, provider: _Provider, token: Mapping[str, Any], nonce: str
    ) -> dict[str, Any]:
        """The claims of the ID token, once its signature and they are right."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        text = token.get("id_token")
        if not isinstance(text, str):
            raise self._failed("the provider gives no ID token")
        try:
            try:
                read = jwt.decode(text, self._known_keys(client, provider), algorithms=_ALGORITHMS)
            except InvalidKeyIdError:  # the provider has a new key
                read = jwt.decode(text, self._known_keys(client, provider, anew=True), algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": provider.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {"nonce": nonce, "client_id": self._client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=_LEEWAY_S)
        except (JoseError, ValueError) as e:
            raise self._failed("the ID token is not valid", error=f"{type(e).__name__}: {e}"[:200]) from e
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise self._failed("the ID token names nobody")
        return dict(claims)

    def _known_keys(self, client: httpx.Client, provider: _Provider, *, anew: bool = False) -> KeySet:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        with self._lock:
            known = self._keys
        if known is not None and not anew and self._steady() < known[1]:
            return known[0]
        try:
            keys = KeySet.import_key_set(self._read(client, provider.jwks_uri, dict))  # type: ignore[arg-type]
        except (JoseError, KeyError, ValueError, TypeError) as e:
            raise self._failed("the provider's keys cannot be read", error=type(e).__name__) from e
        with self._lock:
            self._keys = (keys, self._steady() + _FRESH_S)
        return keys

    def _more_claims(
        self, client: httpx.Client, provider: _Provider, token: Mapping[str, Any], subject: str
    ) -> dict[str, Any]:
        """What the provider's userinfo adds, where the ID token does not say all."""
        if provider.userinfo_endpoint is None or not isinstance(token.get("access_token"), str):
            return {}
        self._check_secure(provider.userinfo_endpoint)
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        said = self._read(client, provider.userinfo_endpoint, dict, **bearer)
        if said.get("sub") != subject:
            raise self._failed("userinfo is about another person")
        return {name: value for name, value in said.items() if name not in ("sub", "iss", "aud")}

    def _role(self, claims: Mapping[str, Any]) -> Role:
        """The highest role that the person's groups have here."""
        groups = _claim(claims, self._settings.role_claim)
        held = groups if isinstance(groups, list) else [groups]
        roles = [self._settings.roles[group] for group in held if group in self._settings.roles]
        if not roles:
            raise LogInError("you have no role at this station", "ask its admin for one")
        return max(roles, key=list(Role).index)

    def _failed(self, what: str, **details: Any) -> LogInError:
        log.warning("log-in by OpenID Connect failed", why=what, provider=self._issuer, **details)
        return LogInError(what, "try again; the station's log has the details")


def check_oidc(settings: OidcSettings) -> None:
    """Check that people can log in by the provider of the settings, if there is one; nobody is asked.

    Raises:
        ExtraError: the packages of ``saec[oidc]`` are not installed.
        ConfigError: a file of the settings cannot be read.
    """
    if settings.issuer is None:
        return
    for package in ("authlib", "joserfc"):
        if find_spec(package) is None:
            raise ExtraError(package, "oidc")
    client_context(settings.ca_file)
    if settings.client_secret_file is not None:
        read_secret(settings.client_secret_file, "client secret")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(*(text.encode(errors="surrogatepass") for text in (one, other)))


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The value of a claim; a dot in the name goes into a table where no claim has the whole name."""
    if name in claims:
        return claims[name]
    first, _, rest = name.partition(".")
    inner = claims.get(first)
    return _claim(inner, rest) if rest and isinstance(inner, dict) else None
