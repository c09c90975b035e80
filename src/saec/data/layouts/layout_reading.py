"""What a layout gives, and how a user picks one reading where a folder has two."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import msgspec

from saec.data.faults import Fault
from saec.data.items import Item
from saec.errors import ConfigError

Unmarked = Literal["", "good", "out"]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of a folder, as ``--layout NAME[:KEY=VALUE,...]`` picks it.

    Attributes:
        name: the name of the layout, or "auto".
        good: folder or class names that mean good, beside those that are known.
        unmarked: what an image without a mark is: "good", "out" (left out), or "" where nobody said.
        table: the file with the labels, where several are at hand.
    """

    name: str = "auto"
    good: tuple[str, ...] = ()
    unmarked: Unmarked = ""
    table: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read the value of ``--layout``.

        Raises:
            ConfigError: a key or a value that is not known.
        """
        name, _, rest = text.partition(":")
        choice = cls(name=name or "auto")
        for pair in filter(None, rest.split(",")):
            key, _, value = pair.partition("=")
            if key == "good" and value:
                choice = msgspec.structs.replace(choice, good=(*choice.good, value.lower()))
            elif key == "unmarked" and value in ("good", "out"):
                choice = msgspec.structs.replace(choice, unmarked=value)
            elif key == "table" and value:
                choice = msgspec.structs.replace(choice, table=Path(value))
            else:
                raise ConfigError(
                    f"--layout {text}: {pair!r} is not known",
                    "write folders:good=FOLDER, marked:unmarked=good, marked:unmarked=out or "
                    "realiad:table=FILE",
                )
        return choice


class Saturation(msgspec.Struct, frozen=True):
    """MVTec LOCO: how much of a region must be found (Bergmann et al. 2022), from defects_config.json.

    Attributes:
        defect_name: its kind.
        pixel_value: what marks it in a mask.
        saturation_threshold: pixels, or a share of the region where ``relative_saturation``.
    """

    defect_name: str
    pixel_value: int
    saturation_threshold: float
    relative_saturation: bool


class LayoutReading(msgspec.Struct, kw_only=True):
    """What a layout holds.

    Attributes:
        items: every image of a role, sorted by split and path.
        aside: files that are understood and are no images of a role: masks of goods, for example.
        faults: what could not be read as it was meant. An error stops every command but the check.
        saturations: the saturation rules of MVTec LOCO.
    """

    items: list[Item]
    aside: frozenset[Path] = frozenset()
    faults: list[Fault] = []
    saturations: tuple[Saturation, ...] = ()


class Layout(Protocol):
    """How data sets lie on disk: a new one is a file with this, and a line in ``LAYOUTS``.

    Attributes:
        name: the name that ``--layout`` takes.
        looks: what it looks like, for the table of docs/data.md and for errors.
        listed: a table names the images, so a file that it does not name is no fault.
    """

    name: str
    looks: str
    listed: bool

    def found(self, root: Path) -> bool:
        """Whether a folder surely lies so; must be quick, as folders above a data set are asked, too."""

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        """The images of a data set.

        Raises:
            DataError: it does not lie so.
        """

    def sets(self, root: Path) -> list[Path]:
        """The data sets under a root that holds several of this layout in a way of its own; else none."""
