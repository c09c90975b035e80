"""The section [trace]: whether and where a program sends its traces."""

from __future__ import annotations

from typing import Annotated

import msgspec

from saec.settings.setting_fields import ExistingFile, Option, Share


class TraceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [trace]: where the spans of each frame are sent (docs/tracing.md).

    Attributes:
        endpoint: Send traces to this OpenTelemetry collector, as OTLP over HTTP: http://HOST:4318. Without
            it nothing is traced and nothing is sent.
        share: The share of frames that is traced, from 0 to 1. All programs with the same share trace the
            same frames.
        token_file: A file with the collector's token.
        ca_file: Certificates to trust at the collector (PEM), instead of those of the package certifi.
    """

    endpoint: Annotated[str | None, Option(name="--trace-endpoint", metavar="URL")] = None
    share: Annotated[Share, Option(name="--trace-share")] = 1.0
    token_file: Annotated[ExistingFile | None, Option(name="--trace-token-file")] = None
    ca_file: Annotated[ExistingFile | None, Option(name="--trace-ca-file")] = None
