"""Settings as keyword arguments, for type checkers and editors: each names the fields of its struct.

Defaults and ranges stand in the structs alone. ``tests/test_keyword_fields.py`` holds names and types to
theirs.
"""

from __future__ import annotations

from os import PathLike
from typing import TypedDict

from saec.settings.cloud_settings import Arithmetic, Attention, RemoteConfig, Scoring, Spending
from saec.settings.edge_settings import Learn, Precision
from saec.types import Box


class FitFields(TypedDict, total=False):
    """The fields of ``FitConfig``."""

    overkill_rate: float | None
    escape_rate: float | None
    cost: dict[str, float] | None
    prevalence: float
    side_px: int
    tiles: int
    auto_size: bool
    roi: Box | None
    backbone: str
    memory_patches: int
    keep_references: int
    dtype: Precision
    device: str
    threads: int
    learn: Learn
    folds: int
    bits: int
    holdout_share: float
    seed: int


class CloudFields(TypedDict, total=False):
    """The fields of ``CloudConfig`` beside the model."""

    service_model: str | None
    adapter: str | PathLike[str] | None
    references: int
    batch: int
    side_px: int | None
    tokens: int | None
    prompt: str | None
    scoring: Scoring
    views: int | None
    dtype: Arithmetic
    device: str
    attention: Attention
    prefixes: int
    spending: Spending
    remote: RemoteConfig
