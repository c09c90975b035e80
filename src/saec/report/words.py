"""The report's words and number formats; an unmeasured thing is 'unknown', never 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import PurePath
from typing import Any

from saec.frame.verdicts import CLOUD_ERROR, DISAGREEMENT, NO_CLOUD, OVERDUE
from saec.report.tally import Tally
from saec.runs.run_record import CloudInfo, RunInfo
from saec.schedule.policies import reasons as policy_reasons

UNKNOWN = "unknown"
_GAP = "\u202f"
_HARD = "\u00a0"

DECIDERS = {"edge": "Edge", "cloud": "Cloud", "edge-fallback": "Edge, provisional", "none": "Nobody"}

_OTHER_REASONS = {
    CLOUD_ERROR: "the cloud failed on this frame: the edge's label stands",
    DISAGREEMENT: "the edge was sure of one label and the cloud of the other",
    OVERDUE: "the cloud was asked and had not answered by the deadline: the edge's label stands",
    NO_CLOUD: "the cloud would be asked, but the run had none: the edge's label stands",
    "read-error": "the file cannot be read or is no image",
    "edge-error": "the detector failed on this frame",
}
"""What a verdict's reason means beside those that policies give."""

METER = (
    ("wall_s", "Wall time", "s"),
    ("gpu_util_avg", "GPU utilisation, average", "%"),
    ("gpu_power_avg_w", "GPU power, average", "W"),
    ("gpu_energy_j", "GPU energy", "J"),
    ("cpu_energy_j", "CPU energy", "J"),
    ("cpu_memory_avg_gb", "Memory, average", "GB"),
    ("cpu_memory_peak_gb", "Memory, peak", "GB"),
)
"""Key of a meter reading, its name and its unit."""

FIGURES = (
    (
        "image_auroc",
        "Image AUROC",
        "ranking by score, by P(defect) where a cloud decides; 0.5 is chance",
        "number",
    ),
    ("average_precision", "Average precision", "defect is the positive class", "number"),
    ("accuracy", "Accuracy", "at the line's threshold", "share"),
    ("balanced_accuracy", "Balanced accuracy", "mean over goods and defects", "share"),
    ("majority_accuracy", "Accuracy of always saying the larger class", "what no inspection gives", "share"),
    ("accuracy_oracle", "Oracle accuracy", "threshold chosen on these very labels: no forecast", "share"),
    ("f1_oracle", "Oracle F1", "threshold chosen on these very labels: no forecast", "number"),
    ("escape_rate", "Escape rate", "defects judged good / defects", "share"),
    ("overkill_rate", "Overkill rate", "goods judged defect / goods", "share"),
    ("escalation_rate", "Escalation rate", "frames sent to the cloud / frames", "share"),
    ("pixel_auroc", "Pixel AUROC", "of the anomaly maps, where masks exist", "number"),
    ("pro", "PRO", "per-region overlap up to 30 % false positives, where masks exist", "number"),
)
"""Key of a figure, its name, what it means, and its format."""


def share(value: float | None) -> str:
    """A share of one as percent."""
    return UNKNOWN if value is None else f"{100 * value:.1f}{_GAP}%"


def number(value: Any) -> str:
    """A figure without a unit, with three decimals."""
    return UNKNOWN if value is None else f"{float(value):.3f}"


def quantity(value: Any) -> str:
    """A measured quantity, with three significant digits."""
    if value is None:
        return UNKNOWN
    value = float(value)
    return f"{value:,.0f}".replace(",", _GAP) if abs(value) >= 100 else f"{value:.3g}"


def milliseconds(value: float | None) -> str:
    """A duration, in seconds from one second upward."""
    if value is None:
        return UNKNOWN
    if value >= 1000:
        return f"{value / 1000:.2f}{_GAP}s"
    return f"{value:.3g}{_GAP}ms" if value < 99.5 else f"{value:.0f}{_GAP}ms"


def count(n: int, one: str, many: str = "") -> str:
    """ "1 frame", "3 frames"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}".replace(",", _GAP)


STAGES = {
    "cloud": "cloud, the frame's share of its batch",
    "explain": "words, the frame's share of its batch",
    "judging": "judging, in all",
    "wait": "waiting for the edge",
    "queue": "waiting for the cloud's turn",
    "batch": "waiting for the rest of the batch",
    "waiting": "waiting, in all",
    "answer": "answer, from the frame's arrival on",
}
"""What a stage of ``VerdictRecord.ms`` is called, where its name does not say it."""


def stage(name: str) -> str:
    return STAGES.get(name, name)


def reason(word: str, *, cloud: bool = True) -> str:
    """What a reason means.

    Args:
        cloud: whether the run had one.
    """
    if word == "edge-only" and not cloud:
        return "the run had no cloud to ask"
    return _reasons().get(word, word)


@cache
def _reasons() -> dict[str, str]:
    """Every reason in words; a report asks for each of its frames."""
    return policy_reasons() | _OTHER_REASONS


def is_demonstration(info: RunInfo) -> bool:
    """Whether pictures or model are ours, so that the figures say nothing of a user's product."""
    return info.dataset.procedural or (info.cloud is not None and info.cloud.demonstration)


def opening(infos: Sequence[RunInfo]) -> str:
    """The report's first line: what data and what model."""
    roots = _distinct(PurePath(info.dataset.root).name or info.dataset.root for info in infos)
    drawn = [info.dataset.procedural for info in infos]
    if all(drawn):
        data = f"Procedural images drawn by our own generator ({roots})"
    else:
        data = f"Images of {roots}" + (", some of them drawn by our own generator" if any(drawn) else "")
    seeing = [info.line for info in infos if info.line.detector != "none"]
    models = _distinct(" on ".join(filter(None, (line.detector, line.backbone))) for line in seeing)
    lines = "line " if len(seeing) == 1 else f"{len(seeing)} lines: "
    names = _distinct(line.name for line in seeing)
    clouds = _distinct(_cloud_name(info.cloud) for info in infos if info.cloud)
    if seeing:
        text = f"{data}, judged by the edge detector ({models}) of {lines}{names}"
        text += f", with {clouds} as the cloud." if clouds else ", without a cloud."
    else:
        text = f"{data}, judged by {clouds} without an edge."
    for crossing in dict.fromkeys(info.cross_domain for info in infos if info.cross_domain):
        text += f" Cross-domain: {crossing}."
    if any(map(is_demonstration, infos)):
        text += " It shows that the parts work together; the figures say nothing about your product."
    return text


def _cloud_name(cloud: CloudInfo) -> str:
    name = f"the demonstration checkpoint “{cloud.name}”" if cloud.demonstration else cloud.name
    return f"{name} ({cloud.role})"


def _distinct(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def headline(t: Tally) -> str:
    """The result in one sentence."""
    if not t.frames:
        return "No frame was judged."
    if t.labelled:
        parts = []
        if t.true_defect:
            parts.append(f"{_of(t.fn, t.true_defect, 'defect')} escaped")
        if t.true_good:
            parts.append(f"{_of(t.fp, t.true_good, 'good')} {_was(t.fp)} rejected")
        sentence = ", ".join(parts) + "."
        return sentence[0].upper() + sentence[1:]
    if not t.judged:
        return f"None of {count(t.frames, 'frame')} could be judged."
    return f"{t.defect} of {count(t.judged, 'frame')} {_was(t.defect)} judged defect."


def routing(t: Tally, info: RunInfo) -> str:
    """Who decided, in one or two sentences."""
    if not t.frames:
        return ""
    if info.cloud is None:
        return "The edge decided alone; there was no cloud in this run."
    text = f"The cloud was asked about {count(t.asked, 'frame')} of {t.frames:,}".replace(",", _GAP)
    if info.line.detector == "none":
        return f"{text}; there is no edge."
    changes = t.put_right + t.put_wrong
    if t.asked and t.labelled:
        text += f" and changed {count(changes, 'label')}"
        text += f": {t.put_right} put right, {t.put_wrong} put wrong." if changes else "."
    else:
        text += "."
    if t.fallbacks:
        text += (
            f" It gave no answer on {count(t.fallbacks, 'frame')}; there the edge's stands, provisionally."
        )
    return text


def mending(t: Tally) -> str:
    """What became of the frames that the cloud was asked about, in one or two sentences."""
    text = f"The cloud was heard on {count(t.heard, 'frame')}"
    if not t.labelled:
        return f"{text} and changed {count(t.changed, 'label')}; nobody told us the truth."
    right = _listed((t.caught, "escape", "caught"), (t.put_right - t.caught, "overkill", "withdrawn"))
    wrong = _listed((t.lost, "new escape", ""), (t.put_wrong - t.lost, "new overkill", ""))
    text += f". It put {t.put_right} right{right} and {t.put_wrong} wrong{wrong}."
    return f"{text} Of the others the label stayed: {t.kept_right} right, {t.kept_wrong} wrong."


def _listed(*counts: tuple[int, str, str]) -> str:
    parts = [f"{count(n, what)} {done}".strip() for n, what, done in counts if n]
    return f" ({', '.join(parts)})" if parts else ""


def cloud_role(cloud: CloudInfo) -> str:
    """What the cloud may do on this line, and why, as sentences."""
    role = {
        "fused": "Its opinion and the edge's decide together, weighed by how well each does on this line.",
        "advisory": "Its opinion is shown and changes no label.",
        "unasked": "It has not earned a say on this line, so it is not consulted.",
        "alone": "It decides every frame that it is asked about.",
    }[cloud.role]
    return f"{role} {cloud.reason or _measured(cloud)}".strip()


def _measured(cloud: CloudInfo) -> str:
    if cloud.auroc is None:
        return "It was not measured on this line."
    return f"Its AUROC there is {number(cloud.auroc)}, at least {number(cloud.auroc_low)} at 95 % confidence."


def _of(n: int, total: int, what: str) -> str:
    """ "none of 40 defects", which no line break tears."""
    return f"{n or 'none'} of {count(total, what)}".replace(" ", _HARD)


def _was(n: int) -> str:
    return "was" if n == 1 else "were"
