"""JSON over HTTP to a server of models: time-outs, retries, tokens, certificates; no word about frames.

What is asked here changes nothing on a server, so a request that failed on its way may be made again:
connections that break, 429 and 5xx are retried with exponential back-off and jitter, and not before the
server's Retry-After, within the time-out of one answer.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import tenacity

from saec.connecting import client_context, shown
from saec.errors import AnswerError, ConfigError, LinkError
from saec.settings import RemoteConfig
from saec.texts import read_token

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_FRAME = frozenset({400, 413, 415, 422})
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status, the server's wish to wait in seconds, and the body."""

    status: int
    wait: float
    content: bytes

    def decoded(self) -> Any:
        """The body as JSON.

        Raises:
            AnswerError: it is none.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise AnswerError("the server's answer is not JSON", "check what runs at this url") from None

    def words(self) -> str:
        """Status and the server's own words, short."""
        try:
            plain = json.loads(self.content)
            error = plain.get("error", plain)
            said = error.get("message") or error.get("detail") or error if isinstance(error, dict) else error
        except (ValueError, RecursionError, AttributeError):
            said = self.content.decode("utf-8", "replace")
        return f"{self.status} {str(said)[:200]}"


class _Again(Exception):
    """A failure after which the same request may succeed, at the earliest ``wait`` seconds later."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class Poster:
    """Posts JSON below one address; safe to use from several threads.

    Args:
        remote: the service's settings.
        sleep: how to wait between two tries.

    Raises:
        ConfigError: an address, token file or certificate file that cannot be used.
    """

    def __init__(self, remote: RemoteConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        url = _address(remote.url)
        self._url, self._timeout, self._retries = shown(url), remote.timeout_s, remote.retries
        self._sleep = sleep
        headers = {"Content-Type": "application/json"}
        if remote.token_file is not None:
            headers["Authorization"] = f"Bearer {read_token(Path(remote.token_file))}"
        # No proxy, and no password file, of the environment: the images go where the settings say.
        self._client = httpx.Client(
            base_url=url,
            headers=headers,
            verify=_trusted(url, remote.ca_file),
            limits=httpx.Limits(max_connections=remote.concurrency),
            trust_env=False,
        )

    def post(self, path: str, body: dict[str, Any] | bytes) -> Any:
        """The decoded answer to a request, retries included.

        Args:
            path: below the address.
            body: the request's body; bytes are JSON already.

        Raises:
            LinkError: the server cannot be reached, is late, refuses the token or does not know the way.
            AnswerError: it finds the request wrong, or answers something that is no JSON.
        """
        return self._decoded(self.send(path, body))

    def get(self, path: str) -> Any:
        """The decoded answer of an address that only tells something.

        Raises:
            LinkError, AnswerError: what ``post`` raises.
        """
        return self._decoded(self.send(path, None))

    def _decoded(self, reply: Reply) -> Any:
        if 200 <= reply.status < 300:
            return reply.decoded()
        words = reply.words()
        if reply.status in (401, 403):
            raise LinkError(f"{self._url} refuses the token: {words}", "check the token file")
        if reply.status in _FRAME:
            raise AnswerError(
                f"the server refused the request: {words}", "correct what the server's message says"
            )
        raise LinkError(f"{self._url} does not know this address or model: {words}", "check url and model")

    def send(
        self, path: str, body: dict[str, Any] | bytes | None, retried: frozenset[int] = RETRIED
    ) -> Reply:
        """The reply to a request, whatever its status, once no status of ``retried`` is left.

        Without a body it is a GET, else a POST.

        Raises:
            LinkError: the server cannot be reached, is late, or kept saying a status of ``retried``.
        """
        data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        # The same request has the same key: a server that has answered it need not compute again.
        headers = {"Idempotency-Key": hashlib.sha256(data).hexdigest()}
        until = time.monotonic() + self._timeout
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(1 + self._retries) | tenacity.stop_before_delay(self._timeout),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return tries(self._once, path, data, headers, retried, until)
        except _Again as e:
            raise LinkError(f"{self._url}: {e}", "check the connection and the server") from e

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(
        self, path: str, data: bytes, headers: dict[str, str], retried: frozenset[int], until: float
    ) -> Reply:
        if self._client.is_closed:
            raise LinkError(f"{self._url}: the connection was closed")
        left = until - time.monotonic()
        if left <= 0:
            raise self._late()
        try:
            with self._client.stream(
                "POST" if data else "GET", path, content=data, headers=headers, timeout=left
            ) as answer:
                reply = Reply(answer.status_code, _retry_after(answer), self._read(answer, until))
        except httpx.TimeoutException as e:
            raise self._late() from e
        except httpx.TransportError as e:
            raise _Again(str(e) or type(e).__name__) from e
        except httpx.RequestError as e:
            raise AnswerError(f"the server's answer cannot be read: {e}") from e
        if reply.status in retried:
            raise _Again(reply.words(), reply.wait)
        return reply

    def _read(self, answer: httpx.Response, until: float) -> bytes:
        """The body, which may neither be endless nor come too slowly."""
        content = bytearray()
        for chunk in answer.iter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise AnswerError(f"the server's answer is longer than {_MOST_BYTES} bytes")
            if time.monotonic() > until:
                raise self._late()
        return bytes(content)

    def _late(self) -> LinkError:
        return LinkError(
            f"{self._url} did not answer within {self._timeout:g} s", "check the connection to the server"
        )


def _wait(state: tenacity.RetryCallState) -> float:
    """Exponential with jitter, and at least what the server asks for."""
    jittered = (tenacity.wait_exponential(multiplier=0.1, max=5.0) + tenacity.wait_random(0.0, 0.1))(state)
    failure = state.outcome.exception() if state.outcome is not None else None
    return max(jittered, failure.wait if isinstance(failure, _Again) else 0.0)


def _retry_after(answer: httpx.Response) -> float:
    """Seconds; the header's other form, a date, is left to the back-off."""
    try:
        return max(0.0, float(answer.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _address(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as e:
        raise ConfigError(f"{shown(text)} is not an address", "give it as https://host:port/v1") from e
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"{shown(text)} is not an address of a service", "give it as https://host:port/v1")
    if url.userinfo:
        raise ConfigError(
            f"the url of {url.host} holds a password",
            "put the token into a file, and name it (--token-file, token_file)",
        )
    return text.rstrip("/")


def _trusted(url: str, path: str | None) -> ssl.SSLContext:
    """Whom to trust; nobody where there is no TLS, as the system's certificates take long to read."""
    if httpx.URL(url).scheme == "https" or path is not None:
        return client_context(None if path is None else Path(path))
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
