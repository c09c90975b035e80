"""Programs without a network, in an empty home: each look-up and connection but to loopback is refused."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

_WATCH = Path(__file__).parent / "only_loopback"


@dataclass
class Watch:
    """Give ``env`` to a program; then look at what it asked for, and at its home.

    Attributes:
        root: where log and home lie.
        home: of the program.
    """

    root: Path
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.home.mkdir()
        self._log = self.root / "egress"
        self._log.touch()

    @property
    def env(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(_WATCH), os.environ.get("PYTHONPATH", "")]))
        # What a library would be told elsewhere to be silent is taken away: silence has to come from us.
        silent = dict.fromkeys(("CI", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DO_NOT_TRACK"), "")
        return {**silent, "PYTHONPATH": path, "SAEC_TEST_EGRESS": str(self._log), "HOME": str(self.home)}

    @property
    def asked(self) -> list[str]:
        """Each look-up and connection that was refused."""
        return self._log.read_text().splitlines()

    @property
    def left(self) -> list[str]:
        """The files in the home folder now, but for our own cache."""
        files = [path.relative_to(self.home) for path in self.home.rglob("*") if not path.is_dir()]
        return sorted(str(path) for path in files if not path.is_relative_to(".cache/saec"))
