"""A webhook as a sink."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import msgspec

from saec.connecting import client_context, http_address, shown, why
from saec.errors import ConfigError
from saec.station.section_types import FieldFault
from saec.station.sinks.network_sink import NetworkSink
from saec.station.sinks.verdict_sink import AwayError, RefusedError, sink_message
from saec.station.storage.records import Delivery
from saec.texts import read_token, whole_number
from saec.tracing.trace_ids import frame_parent
from saec.web.addresses import is_loopback

HAD_IT = 409
"""A receiver that answers this to an Idempotency-Key has the verdict already."""

_LATER = frozenset({408, 425, 429})
_MOST_BYTES = 2**16
"""Of an answer, whose words are not needed; a connection with more is closed."""


class WebhookSink(NetworkSink, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """A [[sink]] of kind "webhook": an HTTP POST of each verdict as JSON.

    The header ``Idempotency-Key`` has the verdict's key.

    Attributes:
        url: The receiver's address.
        token_file: A file with the bearer token. It needs https, except to this machine.
    """

    url: str
    token_file: Path | None = None

    def make_sink(self) -> Webhook:
        return Webhook(self)

    def faults(self) -> Iterator[FieldFault]:
        url = http_address(self.url)
        if url is None:
            yield "url", f"{shown(self.url)} is not an address", "give https://HOST/PATH"
            return
        in_url = url.username is not None or url.password is not None
        if in_url and self.token_file is not None:
            yield "url", "there are both a password in the url and a token_file", "give one of them"
        secret = in_url or self.token_file is not None
        if secret and url.scheme == "http" and not is_loopback(url.hostname or ""):
            what = f"the {'password' if in_url else 'token'} would travel unencrypted"
            yield "url", what, "use https, or a receiver on this machine"
        if url.scheme == "http":
            yield from self.without_tls("the url is not https")
        yield from self.lone_key()


class Webhook:
    """POST of one verdict at a time, in order."""

    at_once = 1

    def __init__(self, settings: WebhookSink) -> None:
        self.timeout, self._url = settings.timeout_s, _address(settings.url)
        self._where = shown(settings.url, path=False)
        headers = {"Content-Type": "application/json"}
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {read_token(settings.token_file)}"
        tls = self._url.scheme == "https"
        files = settings.ca_file, settings.certificate_file, settings.key_file
        # No proxy, and no password file, of the environment: verdicts go where the settings say.
        self._client = httpx.Client(
            headers=headers,
            timeout=settings.timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=client_context(*files) if tls else False,  # else the system's certificates are read
        )

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            item, parent = sink_message(delivery), frame_parent(delivery.verdict.trace)
            headers = {"Idempotency-Key": item.key, **({"traceparent": parent} if parent else {})}
            try:
                answer = self._post(msgspec.json.encode(item), headers)
            except httpx.HTTPError as e:
                what, remedy = why(e)
                raise AwayError(f"{self._where}: {what}", remedy) from e
            status = answer.status_code
            what = f"{self._where} answered {status} {answer.reason_phrase}".rstrip()
            if status in _LATER or status >= 500:
                raise AwayError(what, "check the receiver", _retry_after(answer))
            if not answer.is_success and status != HAD_IT:
                raise RefusedError(what, "check url and token, and read what the receiver answered")

    def _post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        until = time.monotonic() + self.timeout
        with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
            read = 0
            for chunk in answer.iter_raw():  # to its end, so that the connection serves again
                read += len(chunk)
                if read > _MOST_BYTES or time.monotonic() > until:
                    break
        return answer

    def close(self) -> None:
        self._client.close()


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"{shown(text)} is not an address", "give https://HOST/PATH")
    return url


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the receiver asks to wait: a number, or until a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if (seconds := whole_number(text[:9])) is not None:
        return float(seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
