"""What became of the frames that a station had acknowledged, after ``faults.py`` is done with it."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faults_poison import Poison
from faults_receiver import Receiver, refused
from faults_rig import HOOK, Site

RESTART = 5.0
"""Seconds from a start to the first verdict, at most."""

_TOLERANCE = 0.05
"""Seconds that the robot's own clock and network may add to a deadline."""


@dataclass(frozen=True)
class Outcome:
    """Figures by name, and the bars that were missed."""

    figures: dict[str, str]
    missed: list[str]

    @property
    def passed(self) -> bool:
        return not self.missed

    def table(self) -> str:
        width = max(map(len, self.figures))
        rows = [f"{name:<{width}}  {value}" for name, value in self.figures.items()]
        verdict = "every bar held" if self.passed else "MISSED: " + "; ".join(self.missed)
        return "\n".join(["", *rows, "", verdict])


@dataclass(frozen=True)
class Kept:
    """One frame in the database: its verdicts by state, whether each is acted on, and its image."""

    id: str
    verdicts: dict[str, dict[str, Any]]
    acts: list[str]
    image: Path
    sha256: str


def examine(
    site: Site,
    acks: Path,
    receiver: Receiver,
    deadline: float,
    *,
    faults: Counter[str],
    starts: list[float],
    unfair: list[tuple[float, float]],
    starved: list[tuple[float, float]],
    poison: Poison,
    drained: float,
    ready: str,
    ended: list[str],
) -> Outcome:
    """Compare what was acknowledged with what is kept and what was delivered."""
    promised = [json.loads(line) for line in acks.read_text().splitlines()]
    kept = read_database(site)
    sinks = [read_files(folder) for folder in site.verdicts]
    lost = losses(promised, kept)
    twice = [key for sink in sinks for key, seen in finals(sink).items() if len(seen) > 1]
    acts = sum(len(frame.acts) > 1 for frame in kept.values())
    missing = sum(
        f"{f.id}/{state}" not in sink for sink in sinks for f in kept.values() for state in f.verdicts
    )
    unsent, dead = unposted(site, kept, receiver)
    wrongly = [key for key in dead if not refused(key)]
    fresh = [p for p in promised if not p["duplicate"]]
    beside = [p for p in fresh if under_way(p, [*poison.windows, *starved])]
    counted = {p["id"] for p in fresh} - {p["id"] for p in beside}
    late = [p for p in fresh if p["id"] in counted and is_late(p, deadline)]
    slow = [f for f in kept.values() if f.id in counted and first(f)["ms"]["answer"] > deadline * 1000]
    again = sum(len(messages) - 1 for sink in sinks for messages in sink.values())
    restarts = first_verdicts(promised, starts, unfair)
    verdicts = sum(len(frame.verdicts) for frame in kept.values())
    asked = sum(map(is_asked, kept.values()))
    unanswered = [f for f in kept.values() if is_asked(f) and by_cloud(f) is None]
    nameless = unnamed(poison.sent, kept)
    figures = {
        "faults": ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())),
        "frames acknowledged": f"{len(promised)}, of them {len(promised) - len(fresh)} on a second try",
        "frames lost": str(len(lost)),
        "frames with two finals": str(len(twice)),
        "frames acted on twice": str(acts),
        "verdicts not delivered to the files": f"{missing} of {verdicts * len(sinks)}, {len(sinks)} sinks",
        "verdicts not posted to the webhook": f"{len(unsent)} of {verdicts}",
        "dead letters, of them wrongly": f"{len(dead)}, {len(wrongly)}",
        "posts that came again, changed": (
            f"{sum(receiver.taken.values()) - len(receiver.taken)}, {len(receiver.wrong)}"
        ),
        "deliveries that came again, unchanged": str(again),
        "poison frames, of them without a named error": f"{len(poison.sent)}, {len(nameless)}",
        "deadlines missed, by the robot": f"{len(late)} of {len(counted)}; {spread([*map(waited, fresh)])}",
        "deadlines missed, by the station": f"{len(slow)} of {len(counted)}",
        "while a decoder's time is used up, or without handles": (
            f"{sum(is_late(p, deadline) for p in beside)} of {len(beside)} missed"
        ),
        "restart to first verdict": f"{spread(restarts)} of {len(restarts)} starts",
        "start to ready, with nothing else to do": ready,
        "asked about, answered by the cloud": f"{asked - len(unanswered)} of {asked}",
        "backlog drained": f"{drained:.1f} s after the last fault and frame",
        "ended by itself": "; ".join(ended) or "never",
    }
    bars = {
        f"{len(lost)} frames lost: {', '.join(lost[:5])}": lost,
        f"{len(twice)} frames with two finals": twice,
        f"{acts} frames acted on twice": acts,
        f"{missing} verdicts not delivered": missing,
        f"not posted to the webhook: {unsent[:5]}": unsent,
        f"dead letters without a reason: {wrongly[:5]}": wrongly,
        f"posts that came again changed: {sorted(receiver.wrong)[:5]}": receiver.wrong,
        f"poison frames without a named error: {nameless}": nameless,
        f"deadlines: {[p['key'] for p in late[:5]]} {[f.id for f in slow[:5]]}": late or slow,
        "a restart took too long": max(restarts, default=0.0) >= RESTART,
        f"{len(unanswered)} questions without the cloud's answer": unanswered,
        "the backlog did not drain": not math.isfinite(drained),
        "; ".join(ended): ended,
    }
    return Outcome(figures, [what for what, missed in bars.items() if missed])


def read_database(site: Site) -> dict[str, Kept]:
    """The frames by the key that they were posted with."""
    db = sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)
    verdicts: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    acts: dict[int, list[str]] = defaultdict(list)
    for seq, state, act, blob in db.execute("SELECT seq, state, act, verdict FROM verdicts"):
        verdicts[seq][state] = json.loads(blob)
        acts[seq] += [state] * act
    rows = db.execute("SELECT seq, line, key, image, sha256 FROM frames").fetchall()
    db.close()
    data = site.database.parent
    return {
        key.removeprefix("http:anyone/"): Kept(
            f"{line}-{seq:010d}", verdicts[seq], acts[seq], data / image, sha256
        )
        for seq, line, key, image, sha256 in rows
    }


def unposted(site: Site, kept: dict[str, Kept], receiver: Receiver) -> tuple[list[str], list[str]]:
    """Keys of verdicts that the webhook was not sent and that are no dead letters, and those that are."""
    db = sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)
    rows = db.execute(
        "SELECT line, seq, outbox.state FROM outbox JOIN frames USING (seq) "
        "WHERE sink = ? AND dead IS NOT NULL",
        (HOOK,),
    ).fetchall()
    db.close()
    dead = {f"{line}-{seq:010d}/{state}" for line, seq, state in rows}
    due = {f"{frame.id}/{state}" for frame in kept.values() for state in frame.verdicts}
    return sorted(due - dead - set(receiver.taken)), sorted(dead)


def read_files(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The delivered verdicts by their key, in order."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            message = json.loads(line)
            found[message["key"]].append(message)
    return found


def losses(promised: list[dict[str, Any]], kept: dict[str, Kept]) -> list[str]:
    """Acknowledged frames without a row, a final verdict, or their image, and acknowledged ids that moved."""
    lost = []
    for promise in promised:
        frame = kept.get(promise["key"])
        whole = (
            frame is not None
            and frame.id == promise["id"]
            and "final" in frame.verdicts
            and frame.image.is_file()
            and hashlib.sha256(frame.image.read_bytes()).hexdigest() == frame.sha256
        )
        if not whole:
            lost.append(promise["key"])
    return lost


def finals(delivered: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    """The different final verdicts of each frame in the files."""
    found: dict[str, set[str]] = defaultdict(set)
    for messages in delivered.values():
        for message in messages:
            if message["state"] == "final":
                found[message["verdict"]["id"]].add(json.dumps(message["verdict"], sort_keys=True))
    return found


def first(frame: Kept) -> dict[str, Any]:
    """The verdict that came first; of a frame without any, one that never comes."""
    return frame.verdicts.get("provisional") or frame.verdicts.get("final") or {"ms": {"answer": math.inf}}


def is_asked(frame: Kept) -> bool:
    """Whether the cloud was, or was to be, asked: a route there, or the edge stood in for it."""
    route = first(frame).get("route") or {}
    return route.get("decision") == "cloud" or "provisional" in frame.verdicts


def by_cloud(frame: Kept) -> dict[str, Any] | None:
    """The cloud's opinion in the final verdict."""
    opinion: dict[str, Any] | None = (
        frame.verdicts["final"].get("cloud") if "final" in frame.verdicts else None
    )
    return opinion


def unnamed(sent: list[str], kept: dict[str, Kept]) -> list[str]:
    """Keys of such files without a final verdict that names an error."""
    finals = {key: kept[key].verdicts.get("final", {}) if key in kept else {} for key in sent}
    return [key for key, final in finals.items() if final.get("state") != "error" or not final.get("error")]


def is_late(promise: dict[str, Any], deadline: float) -> bool:
    """Whether a frame was answered without a verdict, or too late, by the robot's clock."""
    return promise["label"] is None or waited(promise) > deadline + _TOLERANCE


def under_way(promise: dict[str, Any], windows: list[tuple[float, float]]) -> bool:
    """Whether a frame waited for its verdict within one of these windows."""
    sent, answered, _ = promise["tries"][-1]
    return any(begun <= answered and sent <= over for begun, over in windows)


def waited(promise: dict[str, Any]) -> float:
    """Seconds from the request that was acknowledged to its answer, which holds the verdict."""
    sent, answered, _ = promise["tries"][-1]
    return float(answered - sent)


def first_verdicts(
    promised: list[dict[str, Any]], starts: list[float], unfair: list[tuple[float, float]]
) -> list[float]:
    """Seconds from each start to the first verdict, but for starts that were cut short or met a full disk."""
    answered = np.sort([p["tries"][-1][1] for p in promised if p["label"] is not None])
    found = []
    for start, following in zip(starts, [*starts[1:], math.inf], strict=True):
        later = answered[answered > start]
        if not len(later) or later[0] > following:
            continue
        if not any(begun < later[0] and over > start for begun, over in unfair):
            found.append(float(later[0] - start))
    return found[1:]  # the first start waits for the robot to begin


def spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    p50, p99 = np.percentile(seconds, [50, 99])
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, most {max(seconds):.2f} s"
