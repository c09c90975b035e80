"""The report's words and number formats; an unmeasured thing is 'unknown', never 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from saec.frame.reason_words import reason_sentence
from saec.report.tally import Tally
from saec.runs.run_record import CloudInfo, RunInfo

UNKNOWN = "unknown"
_GAP = "\u202f"
_HARD = "\u00a0"

ROLES = {
    "fused": "decides together with the edge",
    "advisory": "only advises",
    "unasked": "not asked",
    "alone": "decides alone",
}
"""What the cloud may do on a line."""

DECIDERS = {"edge": "Edge", "cloud": "Cloud", "edge-fallback": "Edge, provisional", "none": "Nobody"}

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
        "ranking by score, or by P(defect) with a cloud: 0.5 is guessing, 1 is perfect",
        "number",
    ),
    ("average_precision", "Average precision", "defect is the positive class", "number"),
    ("accuracy", "Accuracy", "at the line's threshold", "share"),
    ("balanced_accuracy", "Balanced accuracy", "mean over good images and defects", "share"),
    (
        "majority_accuracy",
        "Accuracy of always giving the more frequent label",
        "the baseline without inspection",
        "share",
    ),
    (
        "accuracy_oracle",
        "Oracle accuracy",
        "at the best threshold for these labels: not reachable in practice",
        "share",
    ),
    ("f1_oracle", "Oracle F1", "at the best threshold for these labels: not reachable in practice", "number"),
    ("escape_rate", "Missed defects (escape rate)", "share of the defects that were judged good", "share"),
    (
        "overkill_rate",
        "False rejects (overkill rate)",
        "share of the good images that were judged defect",
        "share",
    ),
    ("escalation_rate", "Escalation rate", "share of the frames that were sent to the cloud", "share"),
    ("pixel_auroc", "Pixel AUROC", "of the anomaly maps, on frames with masks", "number"),
    (
        "pro",
        "PRO",
        "how well the maps cover the marked defects, up to 30 % false positives; on frames with masks",
        "number",
    ),
)
"""Key of a figure, its name, what it means, and its format."""


def share(value: float | None) -> str:
    """A share of one as percent."""
    return UNKNOWN if value is None else f"{100 * value:.1f}{_GAP}%"


def percent(value: float) -> str:
    """A share of one as whole percent."""
    return f"{100 * value:.0f}{_GAP}%"


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
    "cloud": "cloud (share of the batch)",
    "explain": "writing the explanation (share of the batch)",
    "judging": "computing, total",
    "wait": "waiting for the edge",
    "queue": "waiting for the cloud's turn",
    "batch": "waiting for the rest of the batch",
    "waiting": "waiting, total",
    "answer": "answer, since the frame arrived",
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
    return reason_sentence(word)


def is_demonstration(info: RunInfo) -> bool:
    """Whether pictures or model are ours, so that the figures say nothing of a user's product."""
    return info.dataset.procedural or (info.cloud is not None and info.cloud.demonstration)


def opening(infos: Sequence[RunInfo]) -> str:
    """The report's first line: what data and what model."""
    roots = _distinct(PurePath(info.dataset.root).name or info.dataset.root for info in infos)
    drawn = [info.dataset.procedural for info in infos]
    if all(drawn):
        data = f"Images that a program of saec drew ({roots})"
    else:
        data = f"Images of {roots}" + (", some of them drawn by a program of saec" if any(drawn) else "")
    seeing = [info.line for info in infos if info.line.detector != "none"]
    models = _distinct(" on ".join(filter(None, (line.detector, line.backbone))) for line in seeing)
    lines = "line " if len(seeing) == 1 else f"{len(seeing)} lines: "
    names = _distinct(line.name for line in seeing)
    clouds = _distinct(_cloud_name(info.cloud) for info in infos if info.cloud)
    if seeing:
        text = f"{data}, judged by the edge detector ({models}) of {lines}{names}"
        text += f", with {clouds} as the cloud." if clouds else ", without a cloud."
    else:
        text = f"{data}, judged by {clouds} without an edge detector."
    for crossing in dict.fromkeys(info.cross_domain for info in infos if info.cross_domain):
        text += f" Note: it was made with other data than it judges (cross-domain): {crossing}."
    if any(map(is_demonstration, infos)):
        text += " It shows that the parts work together; the figures say nothing about your product."
    return text


def _cloud_name(cloud: CloudInfo) -> str:
    name = f"the demonstration checkpoint “{cloud.name}”" if cloud.demonstration else cloud.name
    return f"{name} ({ROLES[cloud.role]})"


def _distinct(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def headline(t: Tally) -> str:
    """The result in one sentence."""
    if not t.frames:
        return "No frame was judged."
    if t.labelled:
        parts = []
        if t.true_defect:
            parts.append(f"{_of(t.fn, t.true_defect, 'defect')} missed (escaped)")
        if t.true_good:
            parts.append(f"{_of(t.fp, t.true_good, 'good frame')} falsely rejected (overkill)")
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
    text = f"The cloud answered about {count(t.asked, 'frame')} of {t.frames:,}".replace(",", _GAP)
    if info.line.detector == "none":
        return f"{text}; there is no edge detector."
    changes = t.put_right + t.put_wrong
    if t.asked and t.labelled:
        text += f" and changed {count(changes, 'label')}"
        text += f": {t.put_right} corrected, {t.put_wrong} made wrong." if changes else "."
    else:
        text += "."
    if t.fallbacks:
        text += (
            f" It gave no answer about {count(t.fallbacks, 'frame')}; there the edge's label is used "
            "(provisional)."
        )
    return text


def mending(t: Tally) -> str:
    """What became of the frames that the cloud was asked about, in one or two sentences."""
    text = f"The cloud answered about {count(t.heard, 'frame')}"
    if not t.labelled:
        return f"{text} and changed {count(t.changed, 'label')}; the true labels are not known."
    right = _listed(
        (t.caught, "missed defect", "found"), (t.put_right - t.caught, "false reject", "corrected")
    )
    wrong = _listed((t.lost, "new missed defect", ""), (t.put_wrong - t.lost, "new false reject", ""))
    text += f". It corrected {count(t.put_right, 'label')}{right} and made {t.put_wrong} wrong{wrong}."
    return (
        f"{text} On the other answered frames the label did not change: "
        f"{t.kept_right} right, {t.kept_wrong} wrong."
    )


def _listed(*counts: tuple[int, str, str]) -> str:
    parts = [f"{count(n, what)} {done}".strip() for n, what, done in counts if n]
    return f" ({', '.join(parts)})" if parts else ""


def cloud_role(cloud: CloudInfo) -> str:
    """What the cloud may do on this line, and why, as sentences."""
    role = {
        "fused": "Edge and cloud decide together, weighed by how well each does on this line.",
        "advisory": "Its opinion is shown and changes no label.",
        "unasked": "It adds nothing to the edge on this line, so it is not asked.",
        "alone": "It decides alone about every frame that it is asked about.",
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
