"""saec cloud: the service that lends a multimodal LLM to stations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import click

from saec.errors import ConfigError, ExtraError
from saec.service.service_settings import ServiceConfig
from saec.settings import Arithmetic, Attention, CloudConfig

_MODEL, _SERVICE = CloudConfig(), ServiceConfig()
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
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)
_ADAPTER = re.compile(r"([A-Za-z0-9][\w.+-]{0,62})=(.+)")


@click.command()
@click.option(
    "--model",
    default=_MODEL.model,
    show_default=True,
    metavar="small|PATH|NAME",
    help="The demonstration checkpoint that ships, a checkpoint's folder, or its hub name.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="NAME=PATH",
    help="A LoRA adapter and the name under which it is asked for; several are served on one base.",
)
@click.option("--listen", default="127.0.0.1:8100", show_default=True, metavar="HOST:PORT")
@click.option("--tokens-file", type=_FILE, help="Lines NAME SHA256 (`saec station token NAME` makes one).")
@click.option("--tls-cert", type=_FILE, help="Certificate chain, PEM.")
@click.option("--tls-key", type=_FILE, help="Its key, PEM.")
@click.option("--plain-http", is_flag=True, help="Tokens may travel without TLS: a proxy in front ends it.")
@click.option("--host-name", "hosts", multiple=True, help="A further name by which this machine is asked.")
@click.option(
    "--proxy", "proxies", multiple=True, help="Address of a proxy whose X-Forwarded-For is believed."
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="A limit of HTTP, such as per_address=64 (docs/service.md).",
)
@click.option(
    "--max-delay-ms",
    type=click.FloatRange(min=0),
    default=_SERVICE.max_delay * 1000,
    show_default=True,
    help="How long a request waits for others to share its batch.",
)
@click.option("--batch", type=_COUNT, default=_SERVICE.batch, show_default=True, help="Requests at once.")
@click.option(
    "--queue",
    type=_COUNT,
    default=_SERVICE.queue,
    show_default=True,
    help="Requests that may wait; then 429.",
)
@click.option(
    "--max-pixels", type=_COUNT, default=_SERVICE.max_pixels, show_default=True, help="Of one image as sent."
)
@click.option("--rate", type=float, help="Requests a second of each token; then 429. Default: no limit.")
@click.option(
    "--batch-seconds",
    type=click.FloatRange(min=1),
    default=_SERVICE.batch_seconds,
    show_default=True,
    help="How long the model may compute one batch; beyond it /health fails and systemd restarts.",
)
@click.option("--side", type=click.IntRange(min=28), help="Side of the model's input. Default: its own.")
@click.option("--device", default=_MODEL.device, show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--dtype",
    type=click.Choice(get_args(Arithmetic)),
    default=_MODEL.dtype,
    show_default=True,
    help="The arithmetic: products in 32, 16 or 8 bits, or the language model held in 4.",
)
@click.option(
    "--attention",
    type=click.Choice(get_args(Attention)),
    default=_MODEL.attention,
    show_default=True,
    help="Of transformers' own pass; flash needs a GPU and the package flash-attn.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def command(
    model: str,
    adapters: tuple[str, ...],
    listen: str,
    tokens_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    plain_http: bool,
    hosts: tuple[str, ...],
    proxies: tuple[str, ...],
    limits: tuple[str, ...],
    max_delay_ms: float,
    batch: int,
    queue: int,
    max_pixels: int,
    rate: float | None,
    batch_seconds: float,
    side: int | None,
    device: str,
    dtype: Any,
    attention: Any,
    log_level: str,
) -> None:
    """Serve a multimodal LLM to stations and other clients, in the form of OpenAI's API.

    \b
    saec cloud --model small --listen 127.0.0.1:8100
    saec inspect FRAMES --line LINE --cloud http://127.0.0.1:8100/v1 --cloud-model small
    """
    from importlib.util import find_spec

    for package in _NEEDED:
        if find_spec(package) is None:
            raise ExtraError(package, "service")
    from saec.cli.options.process_end import run_to_the_end
    from saec.service.service_program import ServiceAddress, run_service
    from saec.web.http_settings import http_settings
    from saec.web.program.logs import configure_logs

    configure_logs(log_level)
    config = ServiceConfig(
        batch=batch,
        queue=queue,
        max_delay=max_delay_ms / 1000,
        max_pixels=max_pixels,
        rate=rate,
        batch_seconds=batch_seconds,
    )
    http = http_settings(
        limits, tls_cert=tls_cert, tls_key=tls_key, plain_http=plain_http, hosts=hosts, proxies=proxies
    )
    run_to_the_end(
        lambda: run_service(
            ServiceAddress(listen, tokens_file, http),
            CloudConfig(model=model, side_px=side, device=device, dtype=dtype, attention=attention),
            [_named(text) for text in adapters],
            config,
        )
    )


def _named(text: str) -> tuple[str, str]:
    """Name and folder of "NAME=PATH"."""
    match = _ADAPTER.fullmatch(text)
    if match is None:
        raise ConfigError(f"--adapter {text} is not NAME=PATH", "for example --adapter screws=runs/screws")
    return match[1], match[2]
