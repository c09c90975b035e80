"""The section [service]: how ``saec cloud`` serves a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from saec.settings import CloudConfig
from saec.settings.cloud_settings import SMALL
from saec.settings.setting_fields import (
    Count,
    CountOrZero,
    Everyday,
    ExistingFile,
    NotNegative,
    Option,
    Positive,
    PositiveShare,
)


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [service]: how `saec cloud` serves a model.

    Attributes:
        model: The model to serve: the demonstration checkpoint that ships (small), the folder of a
            checkpoint, or its name on a hub.
        adapters: Serve this LoRA adapter, too. Clients ask for it by NAME. Give it several times for several
            adapters of the one model.
        listen: The address at which the service listens.
        tokens_file: A file of the tokens that are let in, a line NAME SHA256 for each. `saec station token
            NAME` makes such a line. Without the file only this machine is let in.
        batch: Most requests that are computed together.
        queue: Most requests that wait for the model. Further ones get the HTTP status 429.
        requests_per_s: Most requests per second with one access token. Further ones get the HTTP status 429.
            Default: any number.
        max_delay_ms: How long a request waits for others to share its batch, in milliseconds.
        batch_limit_s: Most seconds that the model may take for one batch. Beyond them /health fails, so that
            a supervisor such as systemd starts the service again.
        max_pixels: Most pixels of one image in a request.
        max_images: Most images of one request. The default is enough for four good images and a frame, each
            as a whole and as a crop.
        max_bytes: Most bytes of the body of one request.
        max_tokens: Most language-model tokens of one answer.
        token_share: The share of all places that one access token may hold. The places are the queue and one
            batch.
        drain_s: Seconds that are left to accepted requests when the service is asked to stop.
        remembered_answers: Answers that are kept for requests that come again with the same Idempotency-Key.
        decoders: Processes that decode images.
    """

    model: Annotated[str, Option(everyday=True, metavar="small|PATH|NAME")] = SMALL
    adapters: Annotated[
        dict[str, Path], Option(name="--named-adapter", everyday=True, kind="named adapter")
    ] = {}
    listen: Annotated[str, Option(everyday=True, metavar="HOST:PORT")] = "127.0.0.1:8100"
    tokens_file: Everyday[ExistingFile | None] = None
    batch: Everyday[Count] = CloudConfig().batch
    queue: Everyday[Count] = 64
    requests_per_s: Everyday[Positive | None] = None
    max_delay_ms: NotNegative = 10.0
    batch_limit_s: Annotated[float, msgspec.Meta(ge=1)] = 600.0
    max_pixels: Count = 25_000_000
    max_images: Count = 10
    max_bytes: Count = 64 * 1024 * 1024
    max_tokens: Count = 512
    token_share: PositiveShare = 0.5
    drain_s: NotNegative = 30.0
    remembered_answers: CountOrZero = 4096
    decoders: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
