"""How the pictures of a run compare: with those that were pinned, and with the goods of the version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from saec.errors import SpoolError
from saec.station.challenge.condition_checks import (
    GoodsSpread,
    LeastTolerances,
    PairedPicture,
    check_conditions,
    check_goods,
    goods_spread,
)
from saec.station.challenge.golden_run import GoldenRun
from saec.station.challenge.golden_set import GoldenSet
from saec.station.challenge.picture_look import PictureLook
from saec.station.challenge_records import ConditionCheck
from saec.station.storage.spool_reader import SpoolReader
from saec.types import GOOD

_SAME_PICTURE = 0.02
"""Difference of the logarithms of two scores of one picture by one version that another device may make."""

_NO_SPREAD = GoodsSpread(0, 0.0, 0.0, 0.0, (), 0.0, 0)


class KnownGoods(NamedTuple):
    """What is known of the goods of a version.

    Attributes:
        references: pictures of goods that it was fitted on.
        scores: scores of goods that it was not fitted on.
    """

    references: Sequence[PictureLook]
    scores: Sequence[float]


class PictureSources(NamedTuple):
    """Where the pictures of a run lie.

    Attributes:
        golden: those that were pinned.
        spool: those that were judged.
        look: measures a picture's file.
    """

    golden: GoldenSet
    spool: SpoolReader
    look: Callable[[bytes], PictureLook]


def run_conditions(
    run: GoldenRun,
    sources: PictureSources,
    goods: KnownGoods,
    scores: Mapping[str, float],
    least: LeastTolerances,
) -> list[ConditionCheck]:
    """Compare what was judged with what was pinned, and the golden goods with those of the version.

    Of a run with pictures only the scores can differ from those at the pinning.

    Args:
        run: all its parts were judged, or given up.
        sources: where the pictures lie.
        goods: those of the version that has judged.
        scores: what this version said of the pinned pictures, by sha256.
        least: what is allowed in any case.

    Raises:
        SpoolError: a frame is not kept any more.
        SaecError: a pinned picture is gone or was changed.
    """
    told, camera = {one.part: one for one in run.told()}, run.record.way == "camera"
    pinned = {one.name: sources.look(sources.golden.picture(one)) for one in run.parts}
    seen = _seen(run, sources) if camera else pinned
    pairs = [
        PairedPicture(
            name=one.name,
            pinned=pinned[one.name] if camera and one.name in seen else None,
            seen=seen.get(one.name) if camera else None,
            score_pinned=scores.get(one.sha256),
            score_seen=told[one.name].score,
        )
        for one in run.parts
    ]
    golden_goods = [one.name for one in run.parts if one.label == GOOD]
    spread, allowed = _NO_SPREAD, LeastTolerances(score=_SAME_PICTURE)
    if camera:
        known = [*goods.references, *(pinned[name] for name in golden_goods)]
        spread, allowed = goods_spread(known, goods.scores), least
    shown = [seen[name] for name in golden_goods if name in seen]
    return [*check_conditions(pairs, spread, allowed), *check_goods(shown, goods.references, least)]


def _seen(run: GoldenRun, sources: PictureSources) -> dict[str, PictureLook]:
    """The pictures that the camera took."""
    looks = {}
    for name, seq in run.frames.items():
        if (frame := sources.spool.frame(seq)) is None:
            raise SpoolError(f"the frame of {name} is gone", "allow more in [spool] size_gb")
        looks[name] = sources.look(sources.spool.path(frame).read_bytes())
    return looks
