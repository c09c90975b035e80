"""What the commands that serve a model share: their options, and what must be installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from saec.errors import ExtraError

LOADING = ("cloud.side_px", "cloud.dtype", "cloud.device", "cloud.attention", "cloud.prefixes")
"""The settings of [cloud] by which a model is loaded."""

_SERVICE = (
    "torch",
    "transformers",
    "peft",
    "fastapi",
    "uvicorn",
    "structlog",
    "prometheus_client",
    "cryptography",
)
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,62}")


class NamedAdapter(click.ParamType):  # type: ignore[type-arg]
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


def check_serving_packages(*, fleet: bool) -> None:
    """Check what serving needs.

    Args:
        fleet: whether replicas are asked for.

    Raises:
        ExtraError: a package is missing; it names the extra.
    """
    for package in _SERVICE:
        if find_spec(package) is None:
            raise ExtraError(package, "fleet" if fleet else "service")
    if fleet and find_spec("ray") is None:
        raise ExtraError("ray", "fleet")
