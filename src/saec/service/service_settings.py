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
        model: The model to serve: the folder of a checkpoint, or its name on a hub. "small" is the
            demonstration checkpoint of the package saec-research.
        adapters: Serve this LoRA adapter, too. Clients ask for it by NAME. Give it several times for several
            adapters of the one model.
        listen: The address at which the service listens.
        tokens_file: A file of the tokens that are let in, a line NAME SHA256 for each. `saec station token
            NAME` makes such a line. Without the file only this machine is let in.
        batch: At most so many requests are computed together.
        queue: At most so many requests wait for the model. Further ones get the HTTP status 429.
        requests_per_s: At most so many requests per second are taken with one access token. Further ones get
            the HTTP status 429. Default: any number.
        max_delay_ms: How long a request waits for others to share its batch, in milliseconds.
        batch_limit_s: The model may take at most so many seconds for one batch. If a batch takes longer,
            /health fails, and a supervisor such as systemd can start the service again.
        max_pixels: One image in a request may have at most so many pixels.
        max_images: One request may have at most so many images. The default is enough for four good images
            and a frame, each as a whole and as a crop.
        max_bytes: The body of one request may have at most so many bytes.
        max_tokens: One answer may have at most so many text tokens of the language model.
        token_share: The share of the queue and of one batch that one access token may take.
        drain_s: Seconds that are left to accepted requests when the service is asked to stop.
        remembered_answers: Keep so many answers, for requests that come again with the same Idempotency-Key.
        decoders: How many processes decode images.
    """

    model: Annotated[str, Option(everyday=True, kind="model", metavar="small|PATH|NAME")] = SMALL
    adapters: Annotated[
        dict[str, Path], Option(name="--named-adapter", everyday=True, kind="named adapter")
    ] = {}
    listen: Annotated[str, Option(everyday=True, metavar="HOST:PORT")] = "127.0.0.1:8100"
    tokens_file: Everyday[ExistingFile | None] = None
    batch: Everyday[Count] = CloudConfig().batch
    queue: Everyday[Count] = 64
    requests_per_s: Positive | None = None
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
