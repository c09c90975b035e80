"""The defaults of ``saec cloud``, which serves a model."""

from __future__ import annotations

import msgspec

from saec.settings import CloudConfig


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How ``saec cloud`` serves a model; see ``saec.service``.

    Attributes:
        batch: requests that are computed at once.
        max_delay: seconds that a request waits for others to share its batch.
        queue: requests that may wait for the model; further ones are refused.
        rate: requests a second for each station's token; None sets no limit.
        max_pixels: most pixels of one image as it is sent.
        max_images: most images of one request; the default is four goods and a frame, each whole and near.
        max_bytes: most bytes of one request's body.
        max_tokens: most tokens of one answer.
        share: share of the places (those that wait and a batch) that one token may hold at once.
        drain: seconds that are left to what was accepted when the service is asked to stop.
        remembered: answers kept for requests that are made again under the same Idempotency-Key.
        decoders: processes that decode images, and threads that cut them; one token has its share of them.
        batch_seconds: that the model may compute one batch; beyond them it is stuck, and ``/health`` fails.
    """

    batch: int = CloudConfig().batch
    max_delay: float = 0.01
    queue: int = 64
    rate: float | None = None
    max_pixels: int = 25_000_000
    max_images: int = 10
    max_bytes: int = 64 * 1024 * 1024
    max_tokens: int = 512
    share: float = 0.5
    drain: float = 30.0
    remembered: int = 4096
    decoders: int = 4
    batch_seconds: float = 600.0
