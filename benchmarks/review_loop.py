"""How much a line gains from reviews in the order of worth, and in random order.

    python benchmarks/review_loop.py --data SET... --procedural FAMILY... [--work FOLDER] [--json FILE]

A stream with 10 % defects waits for review. A simulated person is wrong in 2 % of the labels, by chance. In
the order of worth the person answers ten at a time; the line is taught what was answered, and the rest is
judged and ordered anew. A label that is likely a slip goes to a second person, and to a third where they
differ; each answer counts. In random order the line is taught the first 2 n frames, as labelled.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from review_line import LineVersion, ReviewedLine
from review_streams import DEFECTS, DRAWN, ReviewStream, drifting_streams, streams_of_set

from saec.schedule.calibration.drift import DriftMonitor
from saec.schedule.review_order.doubtful_label import is_doubtful
from saec.schedule.review_order.frame_sequence import ordered_frames
from saec.schedule.review_order.label_worth import LabelFacts, defect_chance
from saec.schedule.statistics.auroc import auroc
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD

WRONG = 0.02
SITTING = 10
COUNTS = (10, 20, 40)


@dataclass(frozen=True)
class Outcome:
    """A version of a line, judged.

    Attributes:
        line, seed: which stream.
        order: "untaught", "worth" or "random".
        asked, labels: answers that people were to give, and gave.
        defects, wrong: frames taught as defects, and those taught with the wrong label.
        balanced, overkill, escape: balanced accuracy and both error rates.
    """

    line: str
    seed: int
    order: str
    asked: int
    labels: int
    defects: int
    wrong: int
    balanced: float
    overkill: float
    escape: float
    auroc: float


class Operator:
    """Answers as a person does: at times wrong, the same person always the same of a frame."""

    def __init__(self, stream: ReviewStream, seed: int) -> None:
        self._stream, self._seed = stream, seed

    def truth(self, at: int) -> int:
        return self._stream.frames.frames[at].label

    def answer(self, at: int, person: int) -> int:
        slip = np.random.default_rng([21, self._seed, at, person]).uniform() < WRONG
        return 1 - self.truth(at) if slip else self.truth(at)


class Session:
    """A stream of one seed, and the line that reviews teach."""

    def __init__(self, stream: ReviewStream, seed: int, config: FitConfig) -> None:
        self._stream, self._seed = stream, seed
        self._people = Operator(stream, seed)
        self._line = ReviewedLine(stream.frames, stream.fit, config)
        self._untaught = self._line.taught({})

    def outcomes(self) -> Iterator[Outcome]:
        yield self._judged("untaught", (0, 0), {}, self._untaught)
        yield from self._by_worth()
        order = np.random.default_rng([22, self._seed]).permutation(self._stream.stream)
        for n in COUNTS:
            labels = {int(at): self._people.answer(int(at), 0) for at in order[: 2 * n]}
            yield self._judged("random", (2 * n, 2 * n), labels, self._line.taught(labels))

    def _by_worth(self) -> Iterator[Outcome]:
        version, spent = self._untaught, 0
        answers, picked = dict[int, list[int]](), set[int]()
        for n in range(SITTING, max(COUNTS) + 1, SITTING):
            waiting = [at for at in self._stream.stream if at not in answers]
            facts = self._facts(version, waiting)
            drifts = self._drifts(version)
            for place in ordered_frames(list(facts.values()), turn=len(answers)):
                if spent >= n:
                    break
                at = waiting[place]
                answers[at], asked = self._answers(at, facts[at], n - spent)
                spent += asked
                if not drifts:
                    picked.add(at)
            labels = {
                at: DEFECT if 2 * sum(some) > len(some) else GOOD
                for at, some in answers.items()
                if 2 * sum(some) != len(some)
            }
            version = self._line.taught(labels, picked)
            if n in COUNTS:
                yield self._judged("worth", (n, spent), labels, version)

    def _drifts(self, version: LineVersion) -> bool:
        """Whether the station's monitor would have raised its alarm."""
        monitor = DriftMonitor(version.calibration.goods)
        for score in self._line.scores(version, self._stream.stream):
            monitor.update(float(score))
        return monitor.state.alarm is not None

    def _answers(self, at: int, facts: LabelFacts, left: int) -> tuple[list[int], int]:
        """Answers of one frame that may be taught, and how many were given; a doubtful one waits for more."""
        answers = [self._people.answer(at, 0)]
        if not is_doubtful(answers[0], facts.chance):
            return answers, 1
        for person in range(1, min(left, 3)):
            answers.append(self._people.answer(at, person))
            if answers[0] == answers[1]:
                break
        return (answers if len(answers) > 1 else []), len(answers)

    def _facts(self, version: LineVersion, waiting: list[int]) -> dict[int, LabelFacts]:
        scores, calibration = self._line.scores(version, waiting), version.calibration
        return {
            at: LabelFacts(
                label=DEFECT if score >= calibration.threshold else GOOD,
                chance=defect_chance(float(score), calibration, defect_share=DEFECTS),
                unsure=calibration.gate.low <= score <= calibration.gate.high,
            )
            for at, score in zip(waiting, scores, strict=True)
        }

    def _judged(
        self, order: str, asked: tuple[int, int], labels: dict[int, int], version: LineVersion
    ) -> Outcome:
        judged = self._stream.judged
        truth = np.array([self._people.truth(at) for at in judged])
        scores = self._line.scores(version, judged)
        rejected = scores >= version.calibration.threshold
        overkill, escape = float(rejected[truth == GOOD].mean()), float((~rejected)[truth == DEFECT].mean())
        return Outcome(
            line=self._stream.name,
            seed=self._seed,
            order=order,
            asked=asked[0],
            labels=asked[1],
            defects=sum(labels.values()),
            wrong=sum(label != self._people.truth(at) for at, label in labels.items()),
            balanced=1 - (overkill + escape) / 2,
            overkill=overkill,
            escape=escape,
            auroc=auroc(scores[truth == GOOD], scores[truth == DEFECT]),
        )


def table(found: Sequence[Outcome]) -> str:
    """Means over the seeds, for each line and n; worst: the least gain of a seed in the order of worth."""
    lines = ["| line | n | untaught | worth, n | random, 2 n | worst | AUROC | random |", "|" + "---|" * 8]
    for name in dict.fromkeys(one.line for one in found):
        of_line = [one for one in found if one.line == name]
        bare = {one.seed: one.balanced for one in of_line if one.order == "untaught"}
        for n in COUNTS:
            ours = [one for one in of_line if one.order == "worth" and one.asked == n]
            random = [one for one in of_line if one.order == "random" and one.asked == 2 * n]
            worst = min(one.balanced - bare[one.seed] for one in ours)
            means = [
                np.mean(list(bare.values())),
                *(np.mean([o.balanced for o in x]) for x in (ours, random)),
            ]
            areas = [np.mean([one.auroc for one in some]) for some in (ours, random)]
            cells = [*(f"{x:.3f}" for x in means), f"{worst:+.3f}", *(f"{x:.3f}" for x in areas)]
            lines.append(f"| {name} | {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--procedural", nargs="*", default=[], metavar="FAMILY")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="folder that keeps features for the next run")
    parser.add_argument("--json", type=Path, help="write each outcome")
    options = parser.parse_args()
    found, begun = list[Outcome](), time.monotonic()
    work, seeds = options.work, options.seeds
    real, drawn = FitConfig(), FitConfig(side_px=DRAWN.side)
    sets = [(real, streams_of_set(root, real, work, seeds)) for root in options.data]
    sets += [(drawn, drifting_streams(family, drawn, work, seeds)) for family in options.procedural]
    for config, streams in sets:
        for seed, stream in enumerate(streams):
            for one in Session(stream, seed, config).outcomes():
                print(json.dumps(asdict(one)), flush=True)
                found.append(one)
    print(f"\n{table(found)}\n\n{time.monotonic() - begun:.0f} s")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
