"""Every field of a verdict in words, and what a replay compares."""

from __future__ import annotations

from dataclasses import dataclass

from saec.frame.reason_words import reason_sentence
from saec.station.page.search.replay_runs import ReplayRow
from saec.station.page.words.languages import NOTHING, Wording, msgid
from saec.station.page.words.page_terms import label_key, reason_in, term
from saec.types import Capture, CloudState, KindOpinion, Spent, VerdictRecord


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One fact: what it is, and what it says."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RecordPart:
    """The facts of one stage of a verdict under their title; ``note`` stands in their place where there are
    none."""

    title: str
    rows: list[RecordRow]
    note: str = ""


STAGES = {
    "read": msgid("read the file"),
    "decode": msgid("decode"),
    "code": msgid("read the code"),
    "complexity": msgid("complexity"),
    "edge": msgid("detector of the edge"),
    "cloud": msgid("share of the cloud's batch"),
    "explain": msgid("share of the batch for words"),
    "judging": msgid("judging, in all"),
    "wait": msgid("wait for the edge"),
    "queue": msgid("wait for the cloud"),
    "batch": msgid("wait for others of the batch"),
    "waiting": msgid("waiting, in all"),
    "answer": msgid("from arrival to verdict"),
}
"""The times of a verdict by their keys."""

_ROLES = {
    "fused": msgid("decided with the edge"),
    "advisory": msgid("only advised"),
    "alone": msgid("decided alone"),
}

COMPARED = {
    "image": msgid("Image file (hash)"),
    "score": msgid("Score"),
    "edge's label": msgid("Label of the edge"),
    "edge's kind": msgid("Kind by the edge"),
    "confidence in the edge's kind": msgid("Confidence in the kind by the edge"),
    "complexity": msgid("Complexity"),
    "route": msgid("Route"),
    "label": msgid("Label"),
    "P(defect)": msgid("P(defect)"),
    "kind": msgid("Kind"),
    "confidence in the kind": msgid("Confidence in the kind"),
    "reason": msgid("Reason"),
    "error": msgid("Error"),
}
"""What a replay compares, by its own words."""

_AGAIN = {
    "none": msgid("none"),
    "None": msgid("none"),
    "judged": msgid("judged"),
    "depends on the frames before": msgid("depends on the frames before"),
}


_LABELS = {"0": "good", "1": "defect"}


def verdict_parts(words: Wording, verdict: VerdictRecord) -> list[RecordPart]:
    """A verdict's fields in the order in which they came about."""
    return [
        _decision(words, verdict),
        _edge(words, verdict),
        _route(words, verdict),
        _cloud(words, verdict),
        _times(words, verdict),
        _machine(words, verdict),
        _record(words, verdict),
    ]


def replay_rows(words: Wording, rows: list[ReplayRow]) -> list[tuple[str, ReplayRow]]:
    """What was compared, with its name in words."""
    return [(_compared(words, row.what), _said_again(words, row)) for row in rows]


def _decision(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _ = words.gettext
    kind = None if verdict.kind is None else _with_share(words, verdict.kind, verdict.kind_confidence)
    problem = None if verdict.error is None else f"{verdict.error.kind}: {verdict.error.message}"
    rows = [
        _row(_("Label"), term(words, "label", label_key(verdict.label, verdict.state))),
        _row(_("State"), term(words, "state", verdict.state)),
        _row(_("Decided by"), term(words, "decider", verdict.decided_by)),
        _row(_("Why"), reason_in(words, verdict)),
        _row(_("P(defect)"), words.probability(verdict.p_defect)),
        _row(_("Kind"), kind),
        _row(_("Replaces an earlier verdict"), _("yes") if verdict.replaces else _("no")),
        _row(_("Error"), problem),
        _row(_("Note"), verdict.note),
    ]
    return RecordPart(_("Verdict"), rows)


def _edge(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _, edge = words.gettext, verdict.edge
    complexity = _row(_("Complexity"), words.number(verdict.complexity, 3))
    if edge is None:
        rows = [_row(_("Score"), words.number(verdict.score, 4)), complexity]
        return RecordPart(_("The edge"), rows, _("The edge gave no opinion."))
    rows = [
        _row(_("Score"), words.number(edge.score, 4)),
        _row(_("Label"), term(words, "label", label_key(edge.label, ""))),
        _row(_("P(defect)"), words.probability(edge.p_defect)),
        _row(_("Kind"), _opinion(words, edge.kind)),
        complexity,
    ]
    return RecordPart(_("The edge"), rows)


def _route(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _, route = words.gettext, verdict.route
    if route is None:
        return RecordPart(_("The route"), [], _("The frame was not routed."))
    goes = {"edge": _("the edge answers"), "cloud": _("the cloud is asked")}
    rows = [
        _row(_("Decision"), goes.get(route.decision, route.decision)),
        _row(_("Why"), _(reason_sentence(route.reason))),
        *_state(words, verdict.cloud_state),
    ]
    return RecordPart(_("The route"), rows)


def _state(words: Wording, state: CloudState | None) -> list[RecordRow]:
    """What was known of the cloud when the frame was routed."""
    if state is None:
        return []
    _ = words.gettext
    room = _("%(queue)s of %(room)s") % {
        "queue": words.number(state.queue),
        "room": words.number(state.capacity),
    }
    return [
        _row(_("Link to the cloud"), term(words, "link", state.link)),
        _row(_("Frames that wait for it"), room),
        _row(_("Expected wait"), _seconds(words, state.wait)),
        _row(_("Time left"), _seconds(words, state.left)),
    ]


def _cloud(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _, cloud, told = words.gettext, verdict.cloud, verdict.explanation
    if cloud is None:
        return RecordPart(_("The cloud"), [], _("The cloud gave no opinion on this verdict."))
    rows = [
        _row(_("P(defect)"), words.probability(cloud.p_defect)),
        _row(_("Part in the verdict"), _(_ROLES.get(cloud.role, cloud.role))),
        _row(_("Model"), cloud.model),
        _row(_("Weights (hash)"), cloud.weights),
        _row(_("Prompt"), cloud.prompt),
        *_spent(words, cloud.spent),
    ]
    if told is not None:
        box = None if told.box is None else " ".join(map(str, told.box))
        rows += [
            _row(_("Kind in its words"), told.kind),
            _row(_("What it says"), told.description),
            _row(_("Place (x0 y0 x1 y1)"), box),
        ]
    return RecordPart(_("The cloud"), rows)


def _spent(words: Wording, spent: Spent | None) -> list[RecordRow]:
    if spent is None:
        return []
    _ = words.gettext
    tokens = _("frame %(frame)s, good parts %(goods)s, words %(text)s") % {
        "frame": words.number(spent.frame),
        "goods": words.number(spent.references),
        "text": words.number(spent.text),
    }
    return [
        _row(_("It was shown"), ", ".join(spent.shown)),
        _row(_("Tokens"), tokens),
        _row(_("Bytes sent"), words.number(spent.bytes)),
    ]


def _times(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _ = words.gettext
    known = [name for name in STAGES if name in verdict.ms]
    others = [name for name in verdict.ms if name not in STAGES]
    rows = [
        _row(_(STAGES[name]) if name in STAGES else name, f"{words.number(verdict.ms[name], 1)} ms")
        for name in [*known, *others]
    ]
    energy = _("not measured") if verdict.energy_j is None else f"{words.number(verdict.energy_j, 2)} J"
    return RecordPart(_("Times and energy"), [*rows, _row(_("Energy"), energy)])


def _machine(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _, taken = words.gettext, verdict.capture or Capture()
    seconds = None if taken.camera_time is None else f"{words.number(taken.camera_time, 3)} s"
    rows = [
        _row(_("Part"), verdict.part),
        _row(_("Recipe"), _counted(words, verdict.recipe)),
        _row(_("PLC"), taken.plc),
        _row(_("Trigger"), _counted(words, taken.trigger)),
        _row(_("Golden part: run and part"), verdict.challenge or None),
        _row(_("The camera's number of the frame"), _counted(words, taken.number)),
        _row(_("The camera's time"), seconds),
    ]
    return RecordPart(_("At the machine"), rows)


def _counted(words: Wording, number: int | None) -> str | None:
    return None if number is None else words.number(number)


def _record(words: Wording, verdict: VerdictRecord) -> RecordPart:
    _ = words.gettext
    truth = None if verdict.truth is None else term(words, "label", label_key(verdict.truth, ""))
    rows = [
        _row(_("Id"), verdict.id),
        _row(_("Line"), verdict.line),
        _row(_("Judged at"), words.moment(verdict.time)),
        _row(_("Number in the order of routes"), words.number(verdict.seq)),
        _row(_("Image file"), verdict.path),
        _row(_("Image file (hash)"), verdict.sha256),
        _row(_("Picture with map"), verdict.map),
        _row(_("Ground truth"), truth),
        _row(_("Kind in the ground truth"), verdict.true_kind),
        _row(_("Trace"), verdict.trace),
    ]
    return RecordPart(_("The record"), rows)


def _row(name: str, value: str | None) -> RecordRow:
    return RecordRow(name, value or NOTHING)


def _opinion(words: Wording, kind: KindOpinion | None) -> str | None:
    return None if kind is None else _with_share(words, kind.name, kind.confidence)


def _with_share(words: Wording, name: str, share: float | None) -> str:
    return name if share is None else f"{name} ({words.percent(share, 1)})"


def _seconds(words: Wording, seconds: float | None) -> str | None:
    return None if seconds is None else f"{words.number(seconds, 2)} s"


def _compared(words: Wording, what: str) -> str:
    """What a replay calls a thing, in words: "final: score" has the state before it."""
    state, colon, rest = what.partition(": ")
    name = words.gettext(COMPARED.get(rest if colon else what, rest if colon else what))
    return f"{term(words, 'state', state)}: {name}" if colon else name


def _said_again(words: Wording, row: ReplayRow) -> ReplayRow:
    said = [_value(words, row.what, text) for text in (row.recorded, row.again)]
    if row.same is False and said[0] == said[1]:  # they differ too little to be seen
        said = [_value(words, row.what, text, digits=6) for text in (row.recorded, row.again)]
    return ReplayRow(row.what, said[0], said[1], row.same)


def _value(words: Wording, what: str, text: str, digits: int | None = None) -> str:
    """A value of a replay as the record shows it; ``digits`` has a number with so many behind the point."""
    what = what.rpartition(": ")[2]
    if what.endswith("label") and text in _LABELS:
        return term(words, "label", _LABELS[text])
    share = what == "P(defect)" or what.startswith("confidence")
    if (share or what in ("score", "complexity")) and (value := _float(text)) is not None:
        if share:
            return words.probability(value) if digits is None else words.percent(value, digits)
        return words.number(value, digits or 4)
    return words.gettext(_AGAIN.get(text, text))


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
