"""saec cloud: the service that lends a multimodal LLM to stations."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.errors import ExtraError
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.http_settings import HttpSettings
from saec.web.log_settings import LogConfig

_NEEDED = (
    "torch",
    "transformers",
    "peft",
    "fastapi",
    "uvicorn",
    "structlog",
    "prometheus_client",
    "cryptography",
)
_LOADING = ("cloud.side_px", "cloud.dtype", "cloud.device", "cloud.attention", "cloud.prefixes")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,62}")


class _NamedAdapter(click.ParamType):  # type: ignore[type-arg]
    """NAME=PATH; those of a settings file come in as pairs."""

    name = "NAME=PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        pair = value if isinstance(value, tuple) else tuple(str(value).split("=", 1))
        if len(pair) != 2 or not _NAME.fullmatch(pair[0]) or not str(pair[1]):
            self.fail(
                f"{'='.join(map(str, pair))!r} is not NAME=PATH. Write for example screws=adapters/screws",
                param,
                ctx,
            )
        return pair[0], Path(pair[1])


@settings_command(types={"named adapter": _NamedAdapter()}, everyday=("--dtype", "--device"), only=_LOADING)
def command(
    service: ServiceConfig, http: HttpSettings, cloud: CloudConfig, log: LogConfig, trace: TraceConfig
) -> None:
    """Serve a multimodal LLM to stations and other clients, over OpenAI's API.

    \b
    saec cloud --model small --listen 127.0.0.1:8100
    saec inspect FRAMES --line LINE --cloud http://127.0.0.1:8100/v1 --cloud-model small
    """
    for package in _NEEDED:
        if find_spec(package) is None:
            raise ExtraError(package, "service")
    from saec.cli.options.process_end import run_to_the_end
    from saec.service.service_program import run_service
    from saec.web.program.logs import configure_logs, trace_warning
    from saec.web.program.trace_export import exported_traces

    configure_logs(log.level)
    model = msgspec.structs.replace(cloud, model=service.model)

    def run() -> None:
        with exported_traces(trace, "saec-cloud", service.listen, trace_warning):
            run_service(service, http, model)

    run_to_the_end(run)
