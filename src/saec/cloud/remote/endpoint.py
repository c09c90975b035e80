"""One address of a service: a single request to it, without a second try.

A failure after which the same request may succeed, here or elsewhere, is a ``TryAgain``.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from saec.connecting import client_context, shown
from saec.errors import AnswerError, ConfigError, LinkError
from saec.settings import RemoteConfig
from saec.texts import read_token

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


class TryAgain(Exception):
    """A failure after which the same request may succeed, at the earliest ``wait`` seconds later."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        path: below the address; one that begins with a stroke is below its root, without /v1.
        data: the body; b"" makes a GET.
        headers: further headers.
        until: when the answer is late, seconds of the clock.
    """

    path: str
    data: bytes
    headers: dict[str, str]
    until: float


class Endpoint:
    """One address; its requests are coroutines of one event loop.

    Args:
        url: the address, such as https://host:8000/v1.
        remote: how it is reached.
        clock: seconds that do not go back.

    Attributes:
        name: the address as it may be shown.

    Raises:
        ConfigError: an address, token file or certificate file that cannot be used.
    """

    def __init__(self, url: str, remote: RemoteConfig, clock: Callable[[], float]) -> None:
        url = _address(url)
        self.name = shown(url)
        self._root = url.removesuffix("/v1")
        self._timeout, self._clock = remote.timeout_s, clock
        headers = {"Content-Type": "application/json"}
        if remote.token_file is not None:
            headers["Authorization"] = f"Bearer {read_token(Path(remote.token_file))}"
        # No proxy, and no password file, of the environment: the images go where the settings say.
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            verify=_trusted(url, remote.ca_file),
            limits=httpx.Limits(max_connections=remote.concurrency),
            trust_env=False,
        )

    async def ask(self, request: Request, *, others: int = 0) -> Reply:
        """The reply to a request, whatever its status.

        Args:
            others: addresses that could be asked instead; they leave this one a share of the time to connect.

        Raises:
            LinkError: it is late.
            TryAgain: the connection broke, or could not be made.
            AnswerError: the reply cannot be read.
        """
        left = request.until - self._clock()
        if left <= 0:
            raise self._late()
        path = f"{self._root}{request.path}" if request.path.startswith("/") else request.path
        try:
            async with self._client.stream(
                "POST" if request.data else "GET",
                path,
                content=request.data,
                headers=request.headers,
                timeout=httpx.Timeout(left, connect=left / (1 + others)),
            ) as answer:
                return Reply(
                    answer.status_code, _retry_after(answer), await self._read(answer, request.until)
                )
        except httpx.ConnectTimeout as e:
            if others:
                raise TryAgain(f"{self.name}: no connection within {left / (1 + others):g} s") from e
            raise self._late() from e
        except httpx.TimeoutException as e:
            raise self._late() from e
        except httpx.TransportError as e:
            raise TryAgain(f"{self.name}: {str(e) or type(e).__name__}") from e
        except httpx.RequestError as e:
            raise AnswerError(f"the server's answer cannot be read: {e}") from e

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, answer: httpx.Response, until: float) -> bytes:
        """The body, which may neither be endless nor come too slowly."""
        content = bytearray()
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise AnswerError(f"the server's answer is longer than {_MOST_BYTES} bytes")
            if self._clock() > until:
                raise self._late()
        return bytes(content)

    def _late(self) -> LinkError:
        return LinkError(
            f"{self.name} did not answer within {self._timeout:g} s", "check the connection to the server"
        )


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
