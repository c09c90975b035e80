"""Trials: one rater's label of one part, once; from a table, or from a line that judges pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from saec.data.input_images import Inputs, list_inputs
from saec.data.items import is_defect_name, is_good_name, is_unknown_name
from saec.data.parts import PartIds
from saec.errors import DataError
from saec.frame.judges import Cloud
from saec.lines.leaks import check_leaks
from saec.profile import LineProfile
from saec.runs.run_folder import Options, run_line, verdicts_of
from saec.runs.verdict_log import read_verdicts
from saec.settings import DataConfig
from saec.texts import read_table
from saec.types import DEFECT, GOOD, Source, VerdictRecord

LINE_RATER = "line"
"""The name under which a line takes part in a study."""

_NUMBERS = {"0": GOOD, "1": DEFECT}


class PartTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One rater's answer about one part, once.

    Attributes:
        rater: a person's name, or ``LINE_RATER``.
        part: id of the part.
        label: GOOD or DEFECT; None where there was no answer ("not sure", or an error).
        truth: what the part is; None when unknown.
        score: the line's anomaly score; None for people.
        file: the picture, "" when unknown.
    """

    rater: str
    part: str
    label: int | None
    truth: int | None = None
    score: float | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class LineTrials:
    """What a line said of each picture.

    Attributes:
        about: which line and version judged.
        trials: one for each picture.
        threshold: score from which on it says defect.
        gate: the scores between which the edge is not sure.
    """

    about: str
    trials: list[PartTrial]
    threshold: float
    gate: tuple[float, float]


def read_trials(table: Path) -> list[PartTrial]:
    """Trials from a CSV file with the columns rater, part, label and, if wanted, truth and score.

    A label is a word such as good, ok, defect, ng, or 0 and 1. An empty one, or "not sure", is no answer.

    Raises:
        DataError: the table cannot be read, lacks a column, or a cell cannot be understood.
    """
    trials: list[PartTrial] = []
    truths: dict[str, int] = {}
    for number, row in enumerate(read_table(table, ("rater", "part", "label")), 2):
        where = f"{table}, row {number}"
        rater, part = row["rater"].strip(), row["part"].strip()
        if not rater or not part:
            raise DataError(f"{where}: the rater or the part is empty", "name both in each row")
        truth = _label(row.get("truth") or "", f"{where}, column truth")
        if truth is not None and truths.setdefault(part, truth) != truth:
            raise DataError(f"{where}: the part {part} has another truth in an earlier row", "keep one truth")
        label = _label(row["label"], f"{where}, column label")
        score = _score(row.get("score") or "", where)
        trials.append(PartTrial(rater=rater, part=part, label=label, truth=truth, score=score))
    if not trials:
        raise DataError(f"{table} holds no trials", "write one row for each answer: rater, part, label")
    return trials


def judged_trials(
    profile: LineProfile,
    images: Path,
    *,
    parts: PartIds | None = None,
    layout: str = DataConfig().layout,
    cloud: Cloud | None = None,
    options: Options | None = None,
    progress: Callable[[VerdictRecord], None] | None = None,
) -> LineTrials:
    """Have a line judge pictures of the same parts.

    Args:
        profile: the line.
        images: a folder of pictures or a data set. Its truth is taken where it has one.
        parts: where the part's id comes from; None takes the folder that holds the picture.
        layout: the data set's layout.
        cloud: asked as at the line; None without one.
        options: see ``run_line``.
        progress: told each verdict.

    Raises:
        LeakError: a picture was used to make the line.
        DataError: no pictures, or the parts cannot be told.
    """
    inputs = list_inputs(images, split="all", layout=layout, parts=parts)
    if parts is None:
        inputs = _parts_by_folder(inputs, images)
    check_leaks(profile, inputs.sources, None if cloud is None else cloud.config)
    with tempfile.TemporaryDirectory(prefix="saec-") as scratch:
        folder = Path(scratch) / "run"
        run_line(profile, inputs, folder, cloud=cloud, options=options, progress=progress)
        verdicts = list(read_verdicts(verdicts_of(folder)))
    found = {source.id: source for source in inputs.sources}
    trials = [_of_verdict(verdict, found[verdict.id]) for verdict in verdicts]
    calibration = profile.calibration
    gate = (calibration.gate.low, calibration.gate.high)
    about = f"The line {profile.line.name}, version {profile.line.version},"
    return LineTrials(about, trials, calibration.threshold, gate)


def _of_verdict(verdict: VerdictRecord, source: Source) -> PartTrial:
    return PartTrial(
        rater=LINE_RATER,
        part=source.part,
        label=verdict.label,
        truth=source.truth,
        score=verdict.score,
        file=source.id,
    )


def _parts_by_folder(inputs: Inputs, root: Path) -> Inputs:
    """Each picture's part is the folder that holds it; folders that only name a label do not count."""
    named = []
    folders: dict[str, Path] = {}
    for source in inputs.sources:
        folder = Path(source.path).parent
        names = [name for name in folder.relative_to(root.absolute()).parts if not _means_label(name)]
        part = source.part or "/".join(names)
        if not part:
            raise DataError(
                f"it is not known which part {source.path} shows",
                "put the pictures of each part into a folder of its own, or give --parts-pattern",
            )
        if not source.part and folders.setdefault(part, folder) != folder:
            raise DataError(
                f"{folders[part]} and {folder} would be one part, {part}", "give each part another name"
            )
        named.append(msgspec.structs.replace(source, part=part))
    return msgspec.structs.replace(inputs, sources=named)


def _means_label(name: str) -> bool:
    return is_good_name(name) or is_defect_name(name) or is_unknown_name(name)


def _label(text: str, where: str) -> int | None:
    word = text.strip()
    if word in _NUMBERS:
        return _NUMBERS[word]
    if is_good_name(word):
        return GOOD
    if is_defect_name(word):
        return DEFECT
    if not word or is_unknown_name(word) or word.lower() in ("not sure", "?", "-"):
        return None
    raise DataError(f"{where}: {word!r} is no label", "write good, defect, or leave it empty for no answer")


def _score(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}: the score {text!r} is no number", "write it as 3.25") from None
