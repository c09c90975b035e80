"""The files of ``deploy/`` as the tests read them, and the programs that check them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
DASHBOARD = DEPLOY / "grafana" / "saec.json"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip a test where a program of Debian is missing."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed (apt-get install {package})"
    )


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        yield from group["rules"]


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard with its panel's title; ``$__rate_interval`` and variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], filled_in(target["expr"])
    for note in dashboard["annotations"]["list"]:
        yield note["name"], filled_in(note["expr"])


def filled_in(query: str) -> str:
    return re.sub(r"\$(station|cloud)", ".*", query.replace("$__rate_interval", "1m"))


def metrics_in(query: str) -> set[str]:
    """The names of our metrics in a query."""
    bare = re.sub(r'"[^"]*"', "", query)
    return set(re.findall(r"\bsaec_\w+", bare))


def labels_in(query: str) -> Iterator[tuple[str, str]]:
    """(metric, label) of each matcher."""
    for name, matchers in re.findall(r"\b(saec_\w+)\{([^}]*)\}", query):
        for label in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers):
            yield name, label
