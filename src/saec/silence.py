"""Libraries are told to be silent before they are loaded: none opens a connection that you did not ask for.

``import saec`` does it, so it holds wherever a library is loaded by this package, and in every process that
such a process starts. What you have set yourself stands.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # not from typing: ``import saec`` loads this module and little else
if TYPE_CHECKING:
    from typing import Any

SWITCHES = {
    "DO_NOT_TRACK": "1",  # a convention that several libraries heed, huggingface-hub and vLLM among them
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
"""The switches that libraries offer for reports on their use, as environment variables."""

ABSENT = ("openvino_telemetry",)
"""Packages that do nothing but report. This one looks up www.google-analytics.com when OpenVINO is imported
and at each conversion, and writes into the home folder. It has no switch; OpenVINO does without it."""


def keep_silent() -> None:
    """Switch reports off for this process and for those that it starts; loads nothing."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    modules: dict[str, Any] = sys.modules
    for name in ABSENT:
        modules.setdefault(name, None)  # None means to Python: there is no such module


def own_environment() -> dict[str, str]:
    """The environment in which another Python finds this package, wherever it begins (``-P``)."""
    place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [place, os.environ.get("PYTHONPATH")]))}


CHILD = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in ABSENT)
"""The first lines of a program that another Python runs without this package; it inherits the switches."""
