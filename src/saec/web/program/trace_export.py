"""A program's traces on their way to a collector: checked before anything starts, and only where asked."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from saec.connecting import http_address, shown
from saec.errors import ConfigError, ExtraError
from saec.settings.trace_settings import TraceConfig
from saec.texts import read_token
from saec.tracing.tracers import installed
from saec.web.addresses import is_loopback

_PATH = "/v1/traces"
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


@contextlib.contextmanager
def exported_traces(
    config: TraceConfig, program: str, instance: str, tell: Callable[[str], None]
) -> Iterator[None]:
    """Send this process's traces to a collector for a while; without an endpoint nothing happens.

    Args:
        config: the section [trace].
        program: what runs, "saec-station".
        instance: which of them, its name or its address.
        tell: called with what the exporter warns of, such as a collector that is away; by any thread.

    Raises:
        ConfigError: an endpoint that is no address, or a token that would travel unencrypted.
        ExtraError: OpenTelemetry is not installed.
    """
    if config.endpoint is None:
        yield
        return
    url = _collector(config.endpoint, token=config.token_file is not None)
    for package in _NEEDED:
        if not _installed(package):
            raise ExtraError("opentelemetry", "trace")
    from saec.tracing.otlp_tracer import otlp_tracer

    about = {"service.name": program, "service.instance.id": instance, "host.name": platform.node()}
    token = None if config.token_file is None else read_token(config.token_file)
    ca_file = None if config.ca_file is None else str(config.ca_file)
    with (
        otlp_tracer(url, share=config.share, about=about, token=token, ca_file=ca_file, tell=tell) as tracer,
        installed(tracer),
    ):
        yield


def _collector(endpoint: str, *, token: bool) -> str:
    """The whole address of a collector."""
    parts = http_address(endpoint)
    if parts is None or parts.username is not None:
        raise ConfigError(
            f"{shown(endpoint)} is not an address of a collector",
            "give it as http://HOST:4318 (trace.endpoint)",
        )
    if token and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"the collector's token would travel unencrypted to {shown(endpoint)}",
            "use https in trace.endpoint",
        )
    return endpoint if parts.path.strip("/") else parts._replace(path=_PATH).geturl()


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # a package above it
        return False
