"""The section [review]: which frames people are asked about, and what is kept for them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from saec.station.section_types import Seconds, Section, Share

_Days = Annotated[float, Meta(ge=1, le=36_600)]


class ReviewSettings(Section, frozen=True, kw_only=True):
    """The section [review]: which frames people are asked about.

    Attributes:
        passed: The share of frames judged good that is drawn at random. 0.01 is one in a hundred. What the
            line misses is known from these alone (docs/review.md).
        rejected: The share of frames judged defects that is drawn at random.
        second: The share of random frames that a second person is asked about, though the first agrees with
            the verdict. People's own errors are known from these alone.
        ordered: How many frames of each line wait beside the random ones, those whose label helps most.
        days: Days that a frame waits for an answer. Then its picture is deleted.
        images_gb: Gigabytes that the pictures for review may take. Pictures whose labels teach always stay.
        lease_s: Seconds for which a frame that is shown to one person is shown to nobody else.
        name_days: Days after which a label no longer says who gave it. All labels of one person then have one
            random name.
    """

    passed: Share = 0.005
    rejected: Share = 0.05
    second: Share = 0.1
    ordered: Annotated[int, Meta(ge=0, le=100_000)] = 200
    days: _Days = 30.0
    images_gb: Annotated[float, Meta(gt=0, le=1e6)] = 5.0
    lease_s: Seconds = 600.0
    name_days: _Days = 365.0
