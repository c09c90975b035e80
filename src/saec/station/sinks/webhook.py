"""A webhook as a sink."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import msgspec

from saec.errors import LinkError
from saec.station.settings import WebhookSink
from saec.station.sinks.contract import message, read_secret
from saec.station.storage.records import Delivery


class Webhook:
    """POST of one verdict at a time, in order."""

    def __init__(self, settings: WebhookSink) -> None:
        headers = {"Content-Type": "application/json"}
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {read_secret(settings.token_file)}"
        self._url = settings.url
        self._client = httpx.Client(headers=headers, timeout=settings.timeout, follow_redirects=False)

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for item in map(message, deliveries):
            body = msgspec.json.encode(item)
            try:
                answer = self._client.post(self._url, content=body, headers={"Idempotency-Key": item.key})
            except httpx.HTTPError as e:
                raise LinkError(f"{self._url}: {e or type(e).__name__}", "look at the receiver") from e
            if not answer.is_success:
                raise LinkError(f"{self._url} answered {answer.status_code}", "look at the receiver")

    def close(self) -> None:
        self._client.close()
