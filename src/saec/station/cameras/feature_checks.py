"""Features of a camera set by name: each is checked against the camera before it is set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.camera_contract import CameraFeature, FeatureValue, IndustrialCamera

_NEAREST = 3
"""Names that an error proposes."""

_MANY = 12
"""Entries of an enumeration that an error lists."""

WantedFeature = tuple[str, FeatureValue]
"""A feature's name and what it is to be. A command's value is true, which executes it."""


def set_features(camera: IndustrialCamera, wanted: Iterable[WantedFeature]) -> None:
    """Set features one after the other, since one may change the limits of the next.

    Raises:
        MachineError: the camera has no such feature, refuses it now, or its range does not hold the value.
            The message names feature, value and range. Features before it have been set.
        CameraLostError: the camera does not answer.
    """
    for name, value in wanted:
        feature = camera.feature(name)
        if feature is None:
            raise _unknown(camera, name)
        fit = _fitting(feature, value)
        try:
            if feature.kind == "command":
                camera.execute(name)
            elif feature.value != fit:
                camera.set_feature(name, fit)
        except CameraLostError:
            raise
        except MachineError as e:
            raise MachineError(f"the camera refuses {name} = {shown_value(value)}: {e.what}", e.remedy) from e


def has_writable(camera: IndustrialCamera, name: str) -> bool:
    """Whether the camera has a feature and it can be set now."""
    feature = camera.feature(name)
    return feature is not None and feature.writable


def range_words(feature: CameraFeature) -> str:
    """What a feature can be set to, for people: "100 to 800 in steps of 4", or its entries."""
    if feature.kind == "boolean":
        return "true or false"
    if feature.kind == "enumeration":
        more = ", ..." if len(feature.entries) > _MANY else ""
        return ", ".join(feature.entries[:_MANY]) + more
    if feature.low is None or feature.high is None:
        return ""
    unit = f" {feature.unit}" if feature.unit else ""
    steps = f" in steps of {feature.step}" if feature.step > 1 else ""
    return f"{feature.low:.10g} to {feature.high:.10g}{unit}{steps}"


def shown_value(value: FeatureValue) -> str:
    """A value as it stands in the settings file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fitting(feature: CameraFeature, value: FeatureValue) -> FeatureValue:
    """The value in the feature's own type."""
    if not feature.writable:
        now = "" if feature.value is None else f"; it is {shown_value(feature.value)}"
        raise MachineError(
            f"the camera's feature {feature.name} cannot be set now{now}",
            "remove it, or set before it what it depends on (another mode or selector)",
        )
    kind = feature.kind
    if kind == "command":
        if value is not True:
            raise _wrong_type(feature, value, "it is a command: give true to execute it")
        return True
    if kind == "boolean":
        if not isinstance(value, bool):
            raise _wrong_type(feature, value, "give true or false")
        return value
    if kind in ("enumeration", "text"):
        if not isinstance(value, str):
            raise _wrong_type(feature, value, f"give a text{_one_of(feature)}")
        if kind == "enumeration" and value not in feature.entries:
            remedy = f"use one of {range_words(feature)}"
            raise MachineError(f"the camera's feature {feature.name} cannot be {value}", remedy)
        return value
    if kind in ("integer", "float"):
        return _fitting_number(feature, value)
    raise MachineError(f"the camera's feature {feature.name} is of no type that can be set", "remove it")


def _fitting_number(feature: CameraFeature, value: FeatureValue) -> int | float:
    if isinstance(value, bool | str) or (feature.kind == "integer" and value != int(value)):
        word = "whole number" if feature.kind == "integer" else "number"
        raise _wrong_type(feature, value, f"give a {word}, {range_words(feature)}")
    low, high = feature.low, feature.high
    outside = (low is not None and value < low) or (high is not None and value > high)
    if not outside and feature.kind == "integer" and feature.step > 1 and low is not None:
        outside = (int(value) - int(low)) % feature.step != 0
    if outside:
        raise MachineError(
            f"the camera's feature {feature.name} cannot be {value}: it allows {range_words(feature)}",
            "give a value that it allows; other features may change its range",
        )
    return int(value) if feature.kind == "integer" else float(value)


def _one_of(feature: CameraFeature) -> str:
    return f", one of {range_words(feature)}" if feature.entries else ""


def _wrong_type(feature: CameraFeature, value: FeatureValue, remedy: str) -> MachineError:
    what = f"the camera's feature {feature.name} cannot be {shown_value(value)!r}"
    return MachineError(what, remedy)


def _unknown(camera: IndustrialCamera, name: str) -> MachineError:
    near = difflib.get_close_matches(name, camera.feature_names(), _NEAREST, 0.5)
    remedy = f"use one such as {', '.join(near)}" if near else "see the camera's manual for its names"
    return MachineError(f"the camera has no feature {name}", f"{remedy}, or remove it")
