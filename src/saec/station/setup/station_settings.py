"""The station's settings as types; ``saec.station.setup.settings_file`` reads them from one TOML file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from saec.settings import CloudConfig, Policy, RunConfig
from saec.settings.setting_fields import PositiveShare, Share
from saec.station.challenge.challenge_settings import ChallengeSettings
from saec.station.outputs.couplers.coupler_settings import AnyCoupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.parts.code_reader import CodeSettings
from saec.station.people.people_settings import PeopleSettings
from saec.station.plc import AnyPlc
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.review.review_settings import ReviewSettings
from saec.station.section_types import Name, Seconds, Section
from saec.station.setup.quality_settings import QualitySettings
from saec.station.setup.station_section import StationSection
from saec.station.sinks import AnySink
from saec.station.sources import AnySource
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import Retention, SpoolLimits
from saec.web.http_settings import HttpSettings


class FrameGuardSettings(Section, frozen=True, kw_only=True):
    """The table [line.guard]: which pictures are too poor to judge. They get no label and raise an alarm.

    Attributes:
        dark: A frame is too dark below this mean grey value, 0 to 255. 0 leaves the check out.
        bright: A frame is too bright above this mean grey value, 0 to 255. 255 leaves the check out.
        blur: A frame is blurred below this share of the sharpness of a good image. 0 leaves the check out.
        empty: No part is in view below this share of the contrast of a good image. 0 leaves the check out.
    """

    dark: float = 12.0
    bright: float = 245.0
    blur: Share = 0.1
    empty: Share = 0.1


class LineSettings(Section, frozen=True, kw_only=True):
    """A section [[line]]: one product.

    ``policy`` and ``budget`` mean what they mean in [policy], and have its defaults. ``deadline_s`` has a
    default of its own: a run may wait for its cloud, but a line moves on.

    Attributes:
        name: The line's name, with which the ids of its frames begin.
        profile: Folder of the line profile. It becomes version 1 when the station first starts. Without it
            the line begins without a version: `saec station add` gives it one (docs/first-line.md).
        cloud: Ask the cloud about what the edge is not sure of.
        deadline_s: Seconds from acceptance within which the line needs a verdict. What the cloud does not
            answer by then, the edge answers provisionally.
        policy: Who answers (docs/scheduling.md). "gate": the edge, and the cloud where the edge is not sure.
            "value": the cloud where asking pays most. "edge" or "cloud": one of them alone. Default: gate, or
            value with a budget.
        budget: The share of frames that the cloud may be asked about, from 0 to 1. It is held in every 1,000
            frames. Default: no limit.
        device: Run the detector on another device than the one that the line was fitted for: CPU, GPU, GPU.1
            or NPU. A score may differ a little there (docs/edge.md).
        guard: which pictures are too poor to judge.
        parts: whether a part of several frames gets a verdict of its own.
        code: whether the part's id is read from a code in the picture.
        challenge: golden parts that the line must judge right.
    """

    name: Name
    profile: Path | None = None
    cloud: bool = True
    deadline_s: Seconds = 1.0
    policy: str | None = Policy().policy
    budget: PositiveShare | None = Policy().budget
    device: str | None = RunConfig().edge_device
    guard: FrameGuardSettings = FrameGuardSettings()
    parts: PartRules = PartRules()
    code: CodeSettings = CodeSettings()
    challenge: ChallengeSettings = ChallengeSettings()


class StationSettings(Section, frozen=True, kw_only=True):
    """The sections of a station's settings file.

    Attributes:
        station: the station itself.
        http: how it is reached over HTTP.
        line: its products.
        source: where frames come from.
        sink: where verdicts go.
        plc: the PLCs that ask for results.
        coupler: the devices with digital inputs and outputs.
        output: what the digital outputs do.
        input: what the digital inputs tell.
        cloud: the service that is asked; None without one.
        spool: limits of the frames and images that are kept.
        retention: how long they are kept.
        people: how people log in at the page.
        recipe: what the lines run for each product.
        review: which frames people are asked about.
        quality: how the rates of the lines are reckoned.
    """

    station: StationSection = StationSection()
    http: HttpSettings = HttpSettings()
    line: list[LineSettings] = msgspec.field(default_factory=list)
    source: list[AnySource] = msgspec.field(default_factory=list)
    sink: list[AnySink] = msgspec.field(default_factory=list)
    plc: list[AnyPlc] = msgspec.field(default_factory=list)
    coupler: list[AnyCoupler] = msgspec.field(default_factory=list)
    output: list[OutputSettings] = msgspec.field(default_factory=list)
    input: list[InputSettings] = msgspec.field(default_factory=list)
    cloud: CloudConfig | None = None
    spool: SpoolLimits = SpoolLimits()
    retention: Retention = Retention()
    people: PeopleSettings = PeopleSettings()
    recipe: list[RecipeSettings] = msgspec.field(default_factory=list)
    review: ReviewSettings = ReviewSettings()
    quality: QualitySettings = QualitySettings()

    def trigger_sources(self) -> list[str]:
        """The sources that take a picture for each trigger of a PLC or of an input, and no other."""
        inputs = [one.source for one in self.input if one.use == "trigger"]
        return [*(plc.source for plc in self.plc), *inputs]

    def recipes_of(self, line: str) -> list[RecipeSettings]:
        """The recipes of a line."""
        return [recipe for recipe in self.recipe if recipe.line == line]
