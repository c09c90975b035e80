"""The keyword arguments of the library are the fields of the settings' structs, with their types."""

from __future__ import annotations

from os import PathLike
from typing import get_type_hints

import msgspec
import pytest

from saec.lines.calibrating.requested_calibration import CalibrationFields, RecalibrationRequest
from saec.settings import CloudConfig, FitConfig
from saec.settings.keyword_fields import CloudFields, FitFields

WIDER = {"adapter": str | PathLike[str] | None}
"""What a caller may give beside the struct's own type."""


@pytest.mark.parametrize(
    ("fields", "struct", "apart"),
    [
        (FitFields, FitConfig, set()),
        (CloudFields, CloudConfig, {"model"}),
        (CalibrationFields, RecalibrationRequest, set()),
    ],
)
def test_a_keyword_is_a_field(fields: type, struct: type[msgspec.Struct], apart: set[str]) -> None:
    named = {name: kind for name, kind in get_type_hints(struct).items() if name not in apart}
    assert get_type_hints(fields) == {name: WIDER.get(name, kind) for name, kind in named.items()}
