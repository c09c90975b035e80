"""The section [cloud]: which model is asked, how it is loaded or reached, and what it is shown."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from saec.settings.setting_fields import (
    Count,
    Hidden,
    NotInKey,
    Option,
)

Scoring = Literal["threshold", "rank", "generate"]
Arithmetic = Literal["auto", "float32", "bfloat16", "fp8", "4bit"]
Attention = Literal["sdpa", "flash", "eager"]
Spend = Literal["whole", "crop", "scene"]

SMALL: Final = "small"
"""The model that is the demonstration checkpoint of saec-research."""

AUTO: Final = "auto"
"""The arithmetic, or the device, that suits the machine."""

UNIT = 28
"""Pixels per token and side of Qwen2.5-VL's own checkpoints."""

Side = Annotated[int, msgspec.Meta(ge=UNIT, le=4096)]
"""The side of a cloud's input, in pixels."""


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
    """The section [cloud.remote]: how a cloud service is reached; see ``saec.cloud.remote.engine``.

    Card and weights' hash are the engine's to tell, wherever the model is; keys take them from there.

    Attributes:
        token_file: A file with the service's token.
        ca_file: Further certificates to trust, in addition to the system's (PEM).
        timeout_s: Seconds to wait for one answer, connecting included.
        retries: How often a failed request is sent again.
        concurrency: How many requests are under way to the service at once. A request asks about one frame.
        hedge_after_s: If the service has several addresses and one has not answered after so many seconds,
            ask the next one, too. The first answer counts. Without it a slow address is waited for.
        spread: If the service has several addresses, send each request to the one with the fewest under
            way. Without it the first address is asked while it answers.
        jpeg_quality: Send images as JPEG of this quality. Without it they travel as PNG, without loss.
        url: addresses of the service, with commas; ``CloudConfig.model`` gives them.
        card: the model's card as the service tells it; None goes by the model's name.
        weights_hash: hash of the model's weights as the service tells it; nothing proves it.
        hashes: hash of the weights by address, of those that have told it.
    """

    token_file: NotInKey[Annotated[str | None, Option(kind="file")]] = None
    ca_file: NotInKey[Annotated[str | None, Option(kind="file")]] = None
    timeout_s: NotInKey[Annotated[float, msgspec.Meta(gt=0, le=3600)]] = 20.0
    retries: NotInKey[Annotated[int, msgspec.Meta(ge=0, le=100)]] = 2
    concurrency: NotInKey[Count] = 4
    hedge_after_s: NotInKey[Annotated[float, msgspec.Meta(gt=0, le=3600)] | None] = None
    spread: NotInKey[bool] = False
    jpeg_quality: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    url: NotInKey[Hidden[str]] = ""
    card: NotInKey[Hidden[ModelCard | None]] = None
    weights_hash: NotInKey[Hidden[str]] = ""
    hashes: NotInKey[Hidden[dict[str, str]]] = {}


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """The section [cloud.spending]: what of a frame the cloud is shown; the rule is
    ``saec.cloud.questions.views``.

    Attributes:
        rule: What of a frame the cloud is shown (docs/spending.md). The rule "whole" shows the whole frame.
            The rule "crop" shows the frame small. If a place in its anomaly map stands out, it also shows the
            highest place enlarged. The rule "scene" chooses by the frame's complexity and anomaly map.
        small_px: The small whole frame that is sent together with a crop has about this side, in pixels. The
            side is rounded up to whole visual tokens (28 pixels).
        near_px: The crop has about this side, in pixels, rounded up to whole visual tokens. "scene" takes a
            larger one for a larger place.
        complexity: From this complexity on, "scene" sends the whole frame at its full side together with the
            crop. In the line's units, good images have median 0 and interquartile range 1.
    """

    rule: Annotated[Spend, Option(name="--spend")] = "whole"
    small_px: Annotated[Side, Option(name="--spend-small-px")] = 112
    near_px: Annotated[Side, Option(name="--spend-near-px")] = 224
    complexity: Annotated[float, Option(name="--spend-complexity")] = 1.0

    def effective(self) -> Spending:
        """The same rule without the numbers that it does not look at."""
        if self.rule == "whole":
            return Spending()
        if self.rule == "crop":
            return msgspec.structs.replace(self, complexity=Spending().complexity)
        return self


class CloudConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [cloud]: which model is asked, and how.

    Attributes:
        model: Who is asked about what the edge is not sure of (key: model). "none" is nobody. "small" is the
            demonstration checkpoint of the package saec-research. Else give the folder of a checkpoint, its
            name on a hub, or the address of a service (https://HOST:PORT/v1). A service may have several
            addresses: give them with commas, or give --cloud several times. The first is asked first
            (docs/remote.md).
        service_model: Where --cloud is a service: the model or adapter to ask there (key: service_model). You
            need it if the service has several.
        adapter: Folder of a LoRA adapter for the model.
        references: How many good images the cloud is shown before each frame.
        batch: How many frames the cloud is asked about together. A service gets each frame in a request of
            its own; see --concurrency.
        side_px: The cloud sees each image scaled to an area of about SIDE x SIDE pixels. Default: the
            checkpoint's own side.
        tokens: An image takes at most so many visual tokens; a larger image is made smaller. Default: only
            the side limits it.
        prompt: Version of the prompt, v1 to v4 (docs/cloud.md). You seldom need it. Default: the checkpoint's
            own.
        scoring: How P(defect) is computed. "threshold" compares the logits of the two labels; no threshold
            plays a part. "rank" compares the log-probabilities of the two answers over five crops. "generate"
            lets the model write its answer.
        views: Ask so many times, with frame and references flipped or rotated, and average the answers.
            Default: the checkpoint's own, mostly 1.
        dtype: Arithmetic of the model. "auto" is bfloat16 on a GPU and float32 on a CPU. "fp8" computes in
            eight bits. "4bit" holds the language model's weights in four (NF4). Scores differ a little:
            calibrate with the arithmetic that will serve.
        device: Where the model is computed: auto, cpu, cuda or cuda:N. "auto" is a GPU where there is one.
        attention: How transformers computes attention, with --scoring rank and generate, for explanations and
            for LLaVA. "flash" needs a GPU and the package flash-attn.
        prefixes: Keep the model's state for so many sets of good images, the latest ones. Give as many as
            lines share the model. A set with one image takes 24 MB in the shape of 7B.
        spending: what of a frame the cloud is shown.
        remote: how a service is reached.
    """

    model: NotInKey[
        Annotated[
            str,
            Option(
                name="--cloud",
                everyday=True,
                kind="model",
                metavar="none|small|PATH|NAME|URL",
                listed=True,
            ),
        ]
    ] = "none"  # the engine's name says model and adapter
    service_model: NotInKey[Annotated[str | None, Option(name="--cloud-model", metavar="NAME")]] = None
    adapter: NotInKey[Annotated[str | None, Option(everyday=True, kind="folder")]] = None
    references: Annotated[int, msgspec.Meta(ge=0, le=64)] = 1
    batch: NotInKey[Count] = 8
    side_px: Annotated[Side | None, Option(name="--cloud-side-px")] = None
    tokens: Annotated[Count | None, Option(name="--cloud-tokens")] = None
    prompt: Annotated[str | None, Option(metavar="VERSION")] = None
    scoring: Scoring = "threshold"
    views: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    dtype: Arithmetic = AUTO
    device: NotInKey[str] = AUTO
    attention: Attention = "sdpa"
    prefixes: NotInKey[Annotated[int, msgspec.Meta(ge=1, le=100_000)]] = 32
    spending: Spending = Spending()
    remote: RemoteConfig = RemoteConfig()
