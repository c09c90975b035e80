"""Open what judges a line: detector, cloud engine, policy and rules."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from typing import Literal, Unpack

import msgspec
import numpy as np

from saec import cloud as clouds
from saec import edge
from saec.contracts import CloudEngine, EdgeDetector
from saec.data.images.pixels import read_image
from saec.decoding import with_fields
from saec.edge.detector_kinds import NONE
from saec.edge.no_detector import NoDetector
from saec.errors import ConfigError
from saec.frame.assessment import ComplexityMeasure
from saec.frame.cloud_services import with_service
from saec.frame.verdicts import Role, Rules
from saec.profile import Calibration, CloudTrust, LineProfile
from saec.scene.complexity import Complexity
from saec.schedule.policies import BUDGET_POLICY, DEFAULT_POLICY, policy_kind
from saec.schedule.policies.one_side import EdgeOnly
from saec.schedule.policies.policy_contract import PolicySettings, Scheduler
from saec.settings import CloudConfig, FitConfig, identifying
from saec.settings.cloud_settings import SMALL
from saec.settings.keyword_fields import CloudFields
from saec.settings.setting_ranges import check_ranges
from saec.types import CloudQuery, Frame, Image


@dataclass(frozen=True, slots=True, eq=False)
class TrustedCloud:
    """A cloud, and the rules by which its opinion counts on a line."""

    engine: CloudEngine
    rules: Rules


@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """All that judges a frame.

    Attributes:
        detector: the edge.
        policy: decides who answers.
        rules: turn opinions into labels.
        engine: the cloud, or None for the edge alone.
        alternates: other clouds that the line trusts, in order of preference: each is asked where the link to
            those before it fails.
        complexity: measures a frame, or None where the policy needs none.
        references: images of goods that the cloud is shown before the frame.
        batch: frames that the cloud is asked about at once.
        bits: significant bits of 16-bit images.
        crops: the cloud may be shown a crop of the hottest place.
    """

    detector: EdgeDetector
    policy: Scheduler
    rules: Rules
    engine: CloudEngine | None = None
    alternates: Sequence[TrustedCloud] = ()
    complexity: ComplexityMeasure | None = None
    references: Sequence[Image] = ()
    batch: int = CloudConfig().batch
    bits: int = FitConfig().bits
    crops: bool = False

    @property
    def clouds(self) -> list[TrustedCloud]:
        """All clouds that may be asked, in order of preference."""
        first = [] if self.engine is None else [TrustedCloud(self.engine, self.rules)]
        return [*first, *self.alternates]

    def rules_of(self, weights: str) -> Rules:
        """The rules for an opinion of a cloud whose weights' hash begins so; the first cloud's for ""."""
        found = (
            one.rules for one in self.alternates if weights and one.engine.weights_hash.startswith(weights)
        )
        return next(found, self.rules)


class Cloud:
    """A cloud model: it is loaded, or its service is asked for its models, when you first use it.

    >>> saec.Cloud("small", references=2)
    <Cloud small, references=2>
    >>> saec.Cloud("small", reference=2)
    Traceback (most recent call last):
    saec.errors.ConfigError: there is no setting reference (did you mean references?)

    Several lines may share one cloud; its model is then loaded once.

    Args:
        model: "small" (the demonstration checkpoint), the folder of a checkpoint, its name on a hub, or a
            service's address such as "https://gpu:8443/v1". All settings together are fine, too.
        settings: fields of ``saec.CloudConfig``, such as ``references=2`` or ``dtype="bfloat16"``.

    Raises:
        ConfigError: there is no such setting, or its value is out of range.
    """

    def __init__(
        self, model: str | PathLike[str] | CloudConfig = SMALL, **settings: Unpack[CloudFields]
    ) -> None:
        if not isinstance(model, str | PathLike | CloudConfig):
            raise ConfigError(f"model is {model!r:.80}", "give a name, a folder, an address or a CloudConfig")
        asked = model if isinstance(model, CloudConfig) else CloudConfig(model=fspath(model))
        asked = check_ranges("cloud", asked)
        self._asked = with_fields(asked, settings) if settings else asked
        if not self._asked.model:
            raise ConfigError("the cloud's model is empty", "give a name, a folder or an address")
        if self._asked.model == "none":
            raise ConfigError("a cloud cannot be named none", "to use no cloud, give cloud=None")

    @cached_property
    def config(self) -> CloudConfig:
        """The settings; where the model is a service's, with what the service says of it.

        Raises:
            ConfigError: the service does not have the model, or a token would travel in the clear.
            LinkError: the service cannot be reached.
        """
        return with_service(self._asked)

    def __repr__(self) -> str:
        given = identifying(self._asked)
        return f"<Cloud {', '.join([self._asked.model, *(f'{k}={v}' for k, v in sorted(given.items()))])}>"

    @cached_property
    def engine(self) -> CloudEngine:
        """The loaded model, or the client of its service."""
        return clouds.open_engine(self.config)

    def release(self) -> None:
        """Give the model's memory back; it is loaded again when it is next asked."""
        vars(self).pop("engine", None)
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def key(self) -> str:
        """The name under which a line keeps its trust: other weights, context or scoring are another cloud.

        The engine says what it has made of its card and the settings. All other settings that are not marked
        ``NotInKey`` follow, where they differ from their defaults.
        """
        engine, config = self.engine, self.config
        asked = {"prompt": engine.prompt, "side_px": engine.side, "views": engine.views}
        given = identifying(msgspec.structs.replace(config, spending=config.spending.effective()))
        said = {"references": config.references, **identifying(engine.card), **asked, **given}
        parts = " ".join(f"{name}={value}" for name, value in sorted(said.items()))
        return f"{engine.name}@{engine.weights_hash[:12]} {parts}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the cloud may do on a line, with the sentence that says why."""

    role: Literal["fused", "advisory", "unasked", "alone"]
    reason: str
    trust: CloudTrust | None = None


def standing(cloud: Cloud, calibration: Calibration, policy: str) -> Standing:
    """The cloud's role on a line: it must have earned its say on labelled calibration images."""
    trust = calibration.clouds.get(cloud.key)
    name = cloud.engine.name
    allowed = policy_kind(policy).cloud
    if allowed == "unasked":
        return Standing("unasked", f"{name} is not asked: policy {policy} asks it about no frame.", trust)
    if allowed == "alone":
        return Standing(
            "alone", f"{name} decides alone about each frame that it is asked about (policy {policy}).", trust
        )
    if trust is None:
        others = [key for key in calibration.clouds if key.startswith(f"{name}@")]
        lacking = (
            f"on this line it was measured with other settings ({others[-1]}) than now ({cloud.key})"
            if others
            else "it has not been measured on this line"
        )
        reason = (
            f"{name} only advises: {lacking}, so its opinion is shown and changes no label. To let it "
            "count, run `saec calibrate LINE DATASET --cloud NAME` with labelled defects."
        )
        return Standing("advisory", reason)
    if trust.mode == "advisory":
        return Standing(
            "advisory", f"{name} only advises: the line has no labelled defects to measure it on.", trust
        )
    figures = f"AUROC {_figure(trust.auroc)}, at least {_figure(trust.auroc_low)} with 95 % confidence"
    images = f"{trust.n_good} good images and {trust.n_defect} defects"
    if trust.left_out:
        images += f", without {trust.left_out} images that it was tuned on"
    if trust.mode == "fused":
        return Standing("fused", f"{name} decides together with the edge: {figures} on {images}.", trust)
    return Standing(
        "unasked", f"{name} is not asked: on {images} it adds nothing to the edge ({figures}).", trust
    )


def by_trust(clouds: Sequence[Cloud], calibration: Calibration, policy: str) -> list[Cloud]:
    """Of several clouds in order of preference those that a line asks: whom it trusts, else the first."""
    trusted = [cloud for cloud in clouds if standing(cloud, calibration, policy).role == "fused"]
    return trusted or list(clouds[:1])


def open_judges(
    profile: LineProfile,
    cloud: Cloud | None = None,
    *,
    alternates: Sequence[Cloud] = (),
    policy: str = DEFAULT_POLICY,
    settings: PolicySettings | None = None,
    detector: EdgeDetector | None = None,
) -> Judges:
    """Load the detector and, where there is one, the cloud of a line.

    Args:
        profile: the line.
        cloud: the cloud, or None for the edge alone.
        alternates: clouds that are asked where the link to the first fails.
        policy: the name of the policy that decides who answers.
        settings: the policy's settings.
        detector: the line's detector, where it is open already.

    Raises:
        ConfigError: the policy needs a cloud and there is none.
        LineError, ModelError: a model cannot be loaded.
    """
    calibration = profile.calibration
    kind, settings = policy_kind(policy), settings or PolicySettings()
    alone = kind.cloud == "alone"
    blind = profile.line.detector.kind == NONE and cloud is not None and alone
    if blind:
        detector = NoDetector()
    elif detector is None:
        detector = edge.open_detector(profile)
    complexity = Complexity(profile.line.complexity).of if profile.line.complexity else None
    bits = profile.line.preparation.bits
    if cloud is None:
        if alone:
            raise ConfigError(
                f"policy {policy} needs a cloud",
                "name one: --cloud MODEL, or cloud=saec.Cloud(MODEL) in Python",
            )
        rules = Rules(profile.line.name, calibration, frame=profile.line.preparation.frame)
        return Judges(detector, EdgeOnly(), rules, complexity=complexity, bits=bits)

    def rules_with(other: Cloud) -> Rules:
        place = standing(other, calibration, policy)
        role: Role = "advisory" if place.role == "unasked" else place.role
        return Rules(
            profile.line.name,
            calibration,
            role,
            place.trust,
            cloud_threshold=kind.cloud_threshold(kind.own(settings)),
            frame=profile.line.preparation.frame,
            blind=blind,
        )

    return Judges(
        detector,
        open_policy(policy, calibration, standing(cloud, calibration, policy).trust, settings),
        rules_with(cloud),
        engine=cloud.engine,
        alternates=[TrustedCloud(other.engine, rules_with(other)) for other in alternates],
        complexity=complexity,
        references=read_references(profile, cloud.config.references),
        batch=cloud.config.batch,
        bits=bits,
        crops=cloud.config.spending.rule != "whole",
    )


def read_references(profile: LineProfile, k: int) -> list[Image]:
    """The first k reference images of a line, decoded.

    Raises:
        ConfigError: the line has fewer.
    """
    paths = profile.references(k)
    if len(paths) < k:
        raise ConfigError(
            f"{profile.folder} has only {len(paths)} reference images, but {k} are wanted",
            f"ask for at most {len(paths)} references",
        )
    images = [read_image(path, bits=profile.line.preparation.bits) for path in paths]
    for image in images:
        image.flags.writeable = False  # which lets an engine remember what it has made of them
    return images


def warm_up(judges: Judges) -> None:
    """One frame through detector and cloud, so that no measured frame pays for the first call."""
    image = judges.references[0] if judges.references else np.full((256, 256, 3), 127, np.uint8)
    judges.detector.inspect([image])
    if judges.engine is not None:
        height, width = image.shape[:2]
        spot = (width // 2, height // 2, width // 2 + 1, height // 2 + 1)
        frame, references = Frame(id="warm-up", image=image), tuple(judges.references)
        for hottest in (None, spot)[: 1 + judges.crops]:
            judges.engine.judge([CloudQuery(frame, references, hottest=hottest)])


def open_policy(
    name: str, calibration: Calibration, trust: CloudTrust | None, settings: PolicySettings | None = None
) -> Scheduler:
    """A fresh policy: the same for a run, its replay and a simulation.

    Args:
        name: the policy's name, as ``saec.schedule.policies`` lists it.
        calibration: the line's calibration.
        trust: how far the line's cloud is trusted, or None.
        settings: the policy's settings.

    Raises:
        ConfigError: a budget for a policy that has no rank to spend it by, or none for one that ranks alone.
    """
    kind, settings = policy_kind(name), settings or PolicySettings()
    if settings.budget.share is not None and kind.ranks == "no":
        raise ConfigError(
            f"policy {name} takes no budget",
            f"leave the budget out, or use policy {BUDGET_POLICY}",
        )
    if settings.budget.share is None and kind.ranks == "only":
        raise ConfigError(
            f"policy {name} needs a budget",
            "give the share of frames that may go to the cloud as the budget, such as 0.3",
        )
    return kind.open(calibration, trust, settings)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
