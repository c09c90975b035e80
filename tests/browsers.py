"""The browser that pages are looked at with."""

from __future__ import annotations

import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The path of a Chromium; the test is skipped where there is none."""
    for name in _NAMES:
        if (program := shutil.which(name)) is not None:
            return program
    pytest.skip("needs a browser on PATH: apt-get install chromium")
