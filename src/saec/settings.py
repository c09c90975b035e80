"""Settings: the only place of defaults. Commands read theirs from here.

Some settings identify an answer: a line keeps its trust in a cloud under a key that is made of them, and a
run is resumed under the same ones. ``identifying`` takes all fields of a struct but those that are marked
``NotInKey``, so a new setting is part of every key unless its author says otherwise.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import msgspec

from saec.types import Box

T = TypeVar("T")

_NOT_IN_KEY = msgspec.Meta(extra={"in_key": False})

NotInKey = Annotated[T, _NOT_IN_KEY]
"""A setting that no key holds: it changes how fast or by what way an answer comes, or is said elsewhere."""


def identifying(settings: msgspec.Struct) -> dict[str, Any]:
    """The settings that identify an answer, by name, where they differ from their defaults.

    A struct within the settings gives names of its own, "spending.rule". A default is left out, so a new
    setting whose default changes nothing leaves the keys as they were.
    """
    found: dict[str, Any] = {}
    defaults = dict(zip(settings.__struct_fields__[::-1], settings.__struct_defaults__[::-1], strict=False))
    for name, value in msgspec.structs.asdict(settings).items():
        if name in _unmarked(type(settings)):
            if isinstance(value, msgspec.Struct):
                found |= {f"{name}.{inner}": given for inner, given in identifying(value).items()}
            elif name not in defaults or value != defaults[name]:
                found[name] = value
    return found


@cache
def _unmarked(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Names of a struct's fields that are not marked ``NotInKey``."""
    hints = get_type_hints(kind, include_extras=True)
    marks = {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    return frozenset(name for name in kind.__struct_fields__ if _NOT_IN_KEY not in marks.get(name, ()))


class FitConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a line profile is made.

    Attributes:
        backbone: name of a frozen feature extractor, see ``saec.edge.training.backbones``.
        side: the input has about side x side pixels; aspect is kept and a frame is never enlarged.
        memory: number of patches that the memory keeps.
        folds: folds of the cross-fit that scores goods as if unseen.
        overkill: share of goods that may be rejected.
        precision: arithmetic of the exported graph.
        threads: threads of the exported graph at the line.
        references: number of good images kept for the cloud.
        prevalence: share of defects at which P(defect) is stated.
        bits: significant bits of 16-bit images.
        holdout: share of the goods, and of each kind of defect, that is held out of a data set without
            splits.
        seed: seed of every random choice.
    """

    backbone: str = "efficientnet-lite0"
    side: int = 448
    memory: int = 4096
    folds: int = 20
    overkill: float = 0.05
    precision: Literal["f32", "bf16"] = "f32"
    threads: int = 2
    references: int = 4
    prevalence: float = 0.5
    roi: Box | None = None
    bits: int = 16
    holdout: float = 0.3
    seed: int = 0


class GateConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The default policy: the edge answers outside the gate, the cloud is asked inside it.

    Attributes:
        p_low, p_high: the P(defect) between which the edge is not sure, where there are labelled defects.
        tail_high, tail_low: the shares of goods that score above the gate's low and high end, where there
            are goods only.
        complexity: frames at least this complex, in the line's own units (goods have median 0 and
            interquartile range 1), are asked about even outside the gate.
    """

    p_low: float = 0.1
    p_high: float = 0.9
    tail_high: float = 0.20
    tail_low: float = 0.005
    complexity: float = 4.0


class RiskConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The risk within which the edge may decide alone, where a certificate is asked for.

    Attributes:
        alpha: share of defects that it may pass.
        beta: share of goods that it may reject.
        delta: the chance, over the draw of the calibration images, that either is exceeded.
    """

    alpha: float = 0.05
    beta: float = 0.05
    delta: float = 0.1


NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class CostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What errors and questions cost, in one currency: by default the price of one rejected good part.

    Attributes:
        escape: cost of one defect that passes. The default, as much as an overkill, counts wrong labels.
        overkill: cost of one good part that is rejected.
        joule, byte, millisecond: cost of each joule of a question to the cloud, of each byte that it sends,
            and of each millisecond until its answer. By default a part is worth about one euro.
        question_joules, question_bytes, question_milliseconds: what one question takes.
    """

    escape: NotNegative = 1.0
    overkill: NotNegative = 1.0
    joule: NotNegative = 1e-7
    byte: NotNegative = 1e-9
    millisecond: NotNegative = 1e-6
    question_joules: NotNegative = 10.0
    question_bytes: NotNegative = 200_000.0
    question_milliseconds: NotNegative = 200.0


class BudgetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How many frames the cloud may be asked about.

    Attributes:
        share: share of the frames, held in every window of 1,000; None is no cap.
        seed: seed of the policy "random".
    """

    share: float | None = None
    seed: int = 0


Scoring = Literal["threshold", "rank", "generate"]
Arithmetic = Literal["auto", "float32", "bfloat16", "fp8", "4bit"]
Attention = Literal["sdpa", "flash", "eager"]


UNIT = 28
"""Pixels per token and side of Qwen2.5-VL's own checkpoints."""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine must know of a model beyond its configuration: a checkpoint's ``saec.json``, or what a
    service tells.

    Attributes:
        demonstration: trained to show the mechanism, not to judge real parts; reports say so.
        side: square root of the number of pixels at which it was trained.
        square: trained on squares only, so the aspect is not kept.
        prompt: version of the prompt it was trained with; None is the default one.
        max_references: most references that it was trained to see in one pass; more are shown in turn
            and the answers averaged. None is any number.
        views: flips and turns that are averaged unless the settings say otherwise.
        unit: pixels per token and side, of which the sides of an image are multiples.
    """

    demonstration: NotInKey[bool] = False
    side: int = 448
    unit: int = UNIT
    square: bool = False
    prompt: str | None = None
    max_references: int | None = None
    views: int = 1


class RemoteConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a cloud service is reached; see ``saec.cloud.remote.engine``.

    Card and weights' hash are the engine's to tell, wherever the model is; keys take them from there.

    Attributes:
        url: address of an OpenAI-compatible server, with its version: "https://gpu:8443/v1".
        token_file: file that holds the bearer token.
        ca_file: certificates to trust beside the system's.
        timeout: seconds for one answer, connecting included.
        retries: further tries of a request that may succeed if it is made again.
        concurrency: requests under way at once.
        jpeg: quality at which images travel as JPEG; None sends them without loss, as PNG.
        card: the model's card as the service tells it; None goes by the model's name.
        weights_hash: hash of the model's weights as the service tells it; nothing proves it.
    """

    url: NotInKey[str]
    token_file: NotInKey[str | None] = None
    ca_file: NotInKey[str | None] = None
    timeout: NotInKey[float] = 20.0
    retries: NotInKey[int] = 2
    concurrency: NotInKey[int] = 4
    jpeg: int | None = None
    card: NotInKey[ModelCard | None] = None
    weights_hash: NotInKey[str] = ""


Spend = Literal["whole", "crop", "scene"]


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What of a frame the cloud is shown; the rule is ``saec.cloud.questions.views``.

    Attributes:
        rule: "whole": the whole frame; "crop": the whole frame small, and its hottest place near, wherever
            something stands out; "scene": what the frame's complexity and anomaly map call for.
        small: side of the whole frame beside a crop, in pixels, rounded up to whole tokens.
        near: side of the crop, likewise; "scene" takes a larger one for a larger place.
        complexity: the complexity from which "scene" shows the whole frame at its full side beside the
            crop, for there is more to see than in three goods of four.
    """

    rule: Spend = "whole"
    small: int = 112
    near: int = 224
    complexity: float = 1.0

    def effective(self) -> Spending:
        """The same rule without the numbers that it does not look at."""
        if self.rule == "whole":
            return Spending()
        if self.rule == "crop":
            return msgspec.structs.replace(self, complexity=Spending().complexity)
        return self


class CloudConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the cloud engine is loaded and asked.

    Attributes:
        model: "small" (the demonstration checkpoint that ships), a path, or a hub name.
        adapter: folder of a LoRA adapter, or None; a missing one is an error.
        side: images are resized to about side x side pixels; None takes the checkpoint's own.
        references: number of good images shown before the frame.
        prompt: version of the prompt; None takes the checkpoint's own.
        scoring: where P(defect) comes from: "threshold" compares the logits of the two labels, "rank"
            the log-probabilities of the two answers over five crops, "generate" lets the model write.
        views: flips and turns of frame and references that are averaged, 1 to 8; None takes the
            checkpoint's own.
        tokens: most visual tokens that an image may take; None sets no other limit than the side.
        batch: questions that are computed at once.
        dtype: the arithmetic; "auto" is bfloat16 on a GPU and float32 on a CPU. "fp8" computes both
            towers' products in eight bits, "4bit" holds the language model's weights in four (NF4).
            Scores differ a little between them: calibrate with what will serve.
        device: where the model is computed; "auto" is a GPU where there is one.
        attention: how transformers' own pass computes attention: torch's fused one, that of the package
            flash-attn (on a GPU, in 16 bits) or plain products. That pass ranks, writes and runs LLaVA; the
            fast pass has its own. Scores differ by rounding.
        spending: what of a frame it is shown.
        remote: the service that has the model under its name, instead of this process.
    """

    model: NotInKey[str] = "small"  # the engine's name says model and adapter
    adapter: NotInKey[str | None] = None
    side: int | None = None
    tokens: int | None = None
    batch: NotInKey[int] = 8
    references: int = 1
    prompt: str | None = None
    scoring: Scoring = "threshold"
    views: int | None = None
    dtype: Arithmetic = "auto"
    device: NotInKey[str] = "auto"
    attention: Attention = "sdpa"
    spending: Spending = Spending()
    remote: RemoteConfig | None = None


class LinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a run with a deadline watches the link to its cloud; see ``saec.schedule.link.circuit_breaker``.

    Attributes:
        failures: requests in a row that fail before the link counts as down.
        cooldown: seconds until a link that is down is probed with one request; each probe that fails
            doubles them, up to ``longest``.
        slow: the link counts as slow while a request takes longer than this share of the deadline.
        timeout: seconds after which a request that is under way makes the link count as down; None is
            the deadline.
        margin: seconds before the deadline at which the edge answers for the cloud.
    """

    failures: int = 3
    cooldown: float = 1.0
    longest: float = 30.0
    slow: float = 0.5
    timeout: float | None = None
    margin: float = 0.02


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How ``inspect`` runs.

    Attributes:
        queue: decoded frames that may be ahead of each stage; memory grows with it.
        waiting: frames that may wait for the cloud before the policy is told that it is busy; None is
            any number (they wait on disk, so every frame that the policy sends is asked about).
        deadline: seconds from the reading of a frame to its verdict; what the cloud has not answered by
            then, or is not expected to, the edge answers provisionally. None waits for the cloud.
        decoders: threads that read and decode.
        maps: save pictures with the anomaly map.
        explain: ask the cloud for words on the defects that it was asked about.
    """

    queue: NotInKey[int] = 8
    waiting: NotInKey[int | None] = None
    deadline: float | None = None
    decoders: NotInKey[int] = 1
    maps: NotInKey[bool] = True
    explain: NotInKey[bool] = True
