"""Which line is measured on which data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saec.data.dataset import categories
from saec.errors import DataError, LineError
from saec.profile import LineProfile


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """One line and the data set that it is measured on.

    Attributes:
        line: folder of the line profile.
        dataset: root of the data set.
        category: name of the product; lines of one category are of several seeds.
        run: the seed's own name in its category, "" for a single line.
    """

    line: Path
    dataset: Path
    category: str
    run: str = ""

    @property
    def name(self) -> str:
        return f"{self.category}/{self.run}" if self.run else self.category


def pair_up(lines: Sequence[Path], dataset: Path) -> list[EvaluationTask]:
    """Which line is measured on which data set.

    Lines of one category are taken for seeds where they were fitted alike but for the seed; otherwise they
    are different lines, and each is named by what tells its folder from the others'.

    Args:
        lines: line profiles, or folders that hold some at any of the next two levels, as
            LINES/CATEGORY, LINES/CATEGORY/SEED or LINES/SEED/CATEGORY.
        dataset: a data set, or a root of several, where each line goes to the one of its name.

    Raises:
        LineError: no line profile there.
        DataError: a line that fits no data set of a root.
    """
    folders = [folder for path in lines for folder in _profiles(path)]
    roots = {root.name: root for root in categories(dataset)}
    single = list(roots) == [dataset.name] and roots[dataset.name] == dataset
    shared = folders[0].absolute().name if len(folders) == 1 else dataset.absolute().name
    named = [(folder, shared if single else _category(folder, roots)) for folder in folders]
    tasks = []
    for folder, category in named:
        siblings = [other for other, name in named if name == category]
        run = "" if len(siblings) == 1 else _distinct(folder, siblings)
        root = dataset if single else roots[category]
        if run and not _are_seeds(siblings):
            tasks.append(EvaluationTask(folder, root, f"{category}/{run}"))
        else:
            tasks.append(EvaluationTask(folder, root, category, run))
    return tasks


def _profiles(path: Path) -> list[Path]:
    """The line profiles at a path: itself, or those one or two levels below."""
    if (path / "line.json").is_file():
        return [path]
    found = sorted({p.parent for depth in ("*", "*/*") for p in path.glob(f"{depth}/line.json")})
    if not found:
        raise LineError(
            f"{path}: there is no line profile in this folder or below it",
            "make one with `saec fit DATASET --out LINE`",
        )
    return found


def _category(folder: Path, roots: dict[str, Path]) -> str:
    """The data set that a line belongs to: by its folder's name, its parent's, or its own name."""
    folder = folder.absolute()
    names = (folder.name, folder.parent.name, LineProfile.open(folder, verify=False).line.name)
    for name in names:
        if name in roots:
            return name
    raise DataError(
        f"the line {folder} matches none of the {len(roots)} data sets ({', '.join(list(roots)[:6])}, ...)",
        "rename the line's folder to the name of its data set, or give only that data set",
    )


def _are_seeds(folders: Sequence[Path]) -> bool:
    """Whether lines were fitted with the same settings and a seed of their own each."""
    lines = [LineProfile.open(folder, verify=False).line for folder in folders]
    seeds = [line.fit.get("seed") for line in lines]
    ways = [(line.detector.kind, {**line.fit, "seed": None}) for line in lines]
    return None not in seeds and len(set(seeds)) == len(seeds) and all(way == ways[0] for way in ways)


def _distinct(folder: Path, siblings: Sequence[Path]) -> str:
    """A name that tells a line from those of the same category: its folder's, or its parent's."""
    for level in ("name", "parent"):
        names = [_level(other, level) for other in siblings]
        if len(set(names)) == len(names):
            return _level(folder, level)
    return str(folder)


def _level(folder: Path, level: str) -> str:
    return folder.absolute().name if level == "name" else folder.absolute().parent.name
