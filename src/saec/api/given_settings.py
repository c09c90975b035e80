"""What users give beside images: settings, a cloud, folders. Each is looked at before work begins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from saec.data.parts import PartIds
from saec.decoding import convert, plain_values, with_fields
from saec.edge.detector_kinds import FitChoices
from saec.errors import ConfigError
from saec.frame.judges import Cloud
from saec.runs.requested_options import run_options
from saec.runs.run_folder import Options
from saec.settings import BulkConfig, Engine, FitConfig, Policy, RunConfig, SampleConfig
from saec.settings.keyword_fields import FitFields
from saec.settings.setting_ranges import check_ranges

S = TypeVar("S", bound=msgspec.Struct)


def article(kind: str) -> str:
    """The name of a type with "a" or "an"."""
    return f"an {kind}" if kind[:1].lower() in "aeiou" else f"a {kind}"


def refuse_type(name: str, given: object, remedy: str) -> ConfigError:
    """The error for an argument of another type."""
    return ConfigError(f"{name} is {article(type(given).__name__)}: {given!r:.80}", remedy)


def check_cloud(cloud: object, *, needed: bool = False) -> None:
    """Refuse what is no cloud, such as its name alone.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(cloud, Cloud) or (cloud is None and not needed):
        return
    raise refuse_type("cloud", cloud, "give a saec.Cloud(MODEL)")


def given_options(policy: Policy | str | None = None, run: RunConfig | None = None) -> Options:
    """The options of a run under a policy.

    Raises:
        ConfigError: an argument has another type, a setting is out of its range, or settings contradict each
            other.
    """
    if not isinstance(policy, Policy | str | None):
        raise refuse_type("policy", policy, "give a name, or a saec.Policy")
    if not isinstance(run, RunConfig | None):
        raise refuse_type("run", run, "give a saec.RunConfig")
    asked = check_ranges("policy", policy) if isinstance(policy, Policy) else policy
    return run_options(asked, None if run is None else check_ranges("run", run))


def given_engine(engine: object) -> Engine:
    """What carries the images.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return convert(engine, Engine)  # type: ignore[no-any-return]
    except msgspec.ValidationError:
        raise ConfigError(f"there is no engine {engine!r:.80}", "use local or ray") from None


def given_bulk(bulk: object) -> BulkConfig:
    """How a bulk run goes.

    Raises:
        ConfigError: it has another type, or a setting is out of its range.
    """
    if not isinstance(bulk, BulkConfig | None):
        raise refuse_type("bulk", bulk, "give a saec.BulkConfig")
    return check_ranges("bulk", bulk or BulkConfig())


def given_limit(limit: Any) -> int | None:
    """How many images at most.

    Raises:
        ConfigError: it is no whole number of at least 1.
    """
    return with_fields(SampleConfig(), {"limit": limit}).limit


def given_fit(
    config: FitConfig | None, detector: FitChoices | str | None, settings: FitFields
) -> tuple[FitConfig, FitChoices]:
    """The settings of a fit.

    Raises:
        ConfigError: an argument has another type, there is no such setting, or one is out of its range.
    """
    if not isinstance(config, FitConfig | None):
        raise refuse_type("config", config, "give a saec.FitConfig, or the settings by their names")
    if not isinstance(detector, FitChoices | str | None):
        raise refuse_type("detector", detector, 'give "patch", "yolo" or a saec.FitChoices')
    kind = FitChoices(kind=detector) if isinstance(detector, str) else detector or FitChoices()
    chosen = with_fields(check_ranges("config", config or FitConfig()), settings)
    return chosen, check_ranges("detector", kind)


def given_parts(parts: object) -> PartIds | None:
    """Where part ids come from.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(parts, PartIds | None):
        return parts
    raise refuse_type("parts", parts, "give a saec.data.parts.PartIds(PATTERN)")


def check_layout(layout: object) -> None:
    """Refuse what is no layout's name.

    Raises:
        ConfigError: it is no text.
    """
    if not isinstance(layout, str):
        raise refuse_type("layout", layout, 'give a name of docs/data.md, or "auto"')


def given_shares(shares: Any) -> Sequence[float]:
    """Shares of images, each above 0 and at most 1.

    Raises:
        ConfigError: it is something else.
    """
    try:
        found = convert(plain_values(shares), list[float])
    except msgspec.ValidationError:
        found = []
    if not found or not all(0 < share <= 1 for share in found):
        raise refuse_type("shares", shares, "give a list of numbers above 0 and at most 1")
    return found


def given_path(name: str, given: Any) -> Path:
    """An argument that is one path.

    Raises:
        ConfigError: it is something else, or empty.
    """
    if not isinstance(given, str | os.PathLike):
        raise refuse_type(name, given, "give one path")
    text = os.fspath(given)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError(f"{name} is no path: {text!r}", "give the path of a file or a folder")
    return Path(text)


def given_folders(name: str, given: Any) -> list[Path]:
    """An argument that is one path or several.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(given, str | os.PathLike):
        return [given_path(name, given)]
    if not isinstance(given, Iterable):
        raise refuse_type(name, given, "give a path, or a list of paths")
    return [given_path(name, one) for one in given]
