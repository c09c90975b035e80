"""What the station says of a line is what its random samples say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from saec.profile import Certificate
from saec.schedule.review_rates.quality_rates import estimate_rates
from saec.schedule.review_rates.stratum_sample import StratumSample
from saec.station.line.version_store import VersionStore
from saec.station.quality.line_quality import QualityReader
from saec.station.setup.quality_settings import QualitySettings
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool
from tests.run_fakes import make_line
from tests.station.quality.review_fakes import BEGIN, HOUR, offer, review


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[QualityReader]:
    spool = Spool(tmp_path, [], SpoolLimits(free_gb=0))
    yield QualityReader(tmp_path, spool, QualitySettings(person_hour=36.0))
    spool.close()


def test_rates_are_those_of_the_samples_of_the_window(tmp_path: Path, reader: QualityReader) -> None:
    offer(tmp_path, 0, 900, 62)
    offer(tmp_path, 1, 100, 11)
    review(tmp_path, 1, [0] * 60, [[0]] * 58 + [[1]] * 2)
    review(tmp_path, 100, [1] * 10, [[1]] * 9 + [[0]])
    review(tmp_path, 200, [0] * 5, [[1]] * 5, chance=None)  # not drawn: they prove nothing
    found = reader.quality("cell", BEGIN + 60, BEGIN + 100)
    samples = [
        StratumSample(
            side="passed", probability=0.1, population=900, drawn=62, readings={(1, 0): 58, (1, 1): 2}
        ),
        StratumSample(
            side="rejected", probability=0.1, population=100, drawn=11, readings={(1, 1): 9, (1, 0): 1}
        ),
    ]
    assert found.rates == estimate_rates(samples)
    assert (found.since, found.until) == (BEGIN, BEGIN + HOUR)
    assert found.rates.passed.waiting == 2
    assert found.needed["escape_rate"].passed > 0
    assert found.versions == ["1"]


def test_a_frame_of_which_nobody_is_sure_is_missing(tmp_path: Path, reader: QualityReader) -> None:
    offer(tmp_path, 0, 100, 10)
    review(tmp_path, 1, [0] * 10, [[0]] * 7 + [[None]] * 2 + [[None, 0]])
    passed = reader.quality("cell", BEGIN, BEGIN + HOUR).rates.passed
    assert (passed.reviewed, passed.unsure, passed.waiting) == (8, 2, 0)


def test_another_window_tells_of_the_readers_alone(tmp_path: Path, reader: QualityReader) -> None:
    offer(tmp_path, 0, 900, 60)
    review(tmp_path, 1, [0] * 60, [[0]] * 60)
    before = BEGIN - 5 * HOUR
    review(tmp_path, 100, [0] * 40, [[0, 0]] * 38 + [[1, 0, 0]] * 2, hour=before)
    found = reader.quality("cell", BEGIN, BEGIN + HOUR).rates
    assert found.passed.reviewed == 60
    assert found.readers is not None
    assert (found.readers.compared, found.readers.differed) == (40, 2)
    assert reader.quality("cell", BEGIN + HOUR, BEGIN + 2 * HOUR).rates.passed.population == 0


def test_a_version_has_rates_of_its_own(tmp_path: Path, reader: QualityReader) -> None:
    offer(tmp_path, 0, 100, 10)
    review(tmp_path, 1, [0] * 10, [[0]] * 10)
    assert reader.quality("cell", BEGIN, BEGIN + HOUR, version="1").rates.passed.reviewed == 10
    assert reader.quality("cell", BEGIN, BEGIN + HOUR, version="2").rates.passed.population == 0


def test_several_windows_are_each_as_alone(tmp_path: Path, reader: QualityReader) -> None:
    for n in range(2):
        offer(tmp_path, 0, 100, 10, hour=BEGIN + n * HOUR)
        review(tmp_path, 1 + 100 * n, [0] * 10, [[0]] * 10, hour=BEGIN + n * HOUR)
    windows = [(BEGIN, BEGIN + HOUR), (BEGIN + HOUR, BEGIN + 2 * HOUR)]
    alone = [reader.quality("cell", *window).rates for window in windows]
    assert reader.rates("cell", windows) == alone


def test_people_s_time_has_its_price_and_their_findings(tmp_path: Path, reader: QualityReader) -> None:
    offer(tmp_path, 0, 100, 3)
    review(tmp_path, 1, [0, 0, 1], [[1, 1], [0], [0, 0]])
    person = reader.quality("cell", BEGIN, BEGIN + HOUR).finders["person"]
    assert (person.frames, person.missed, person.cleared) == (3, 1, 1)
    assert (person.seconds, person.price) == (10.0, pytest.approx(0.1))


def test_a_certificate_stands_beside_what_was_seen(tmp_path: Path, reader: QualityReader) -> None:
    profile = make_line(tmp_path / "profile")
    certificate = Certificate(alpha=0.02, beta=0.5, delta=0.1, pass_below=0.2, reject_above=0.8)
    profile.recalibrated(msgspec.structs.replace(profile.calibration, certificate=certificate))
    VersionStore(tmp_path / "lines" / "cell").add(tmp_path / "profile")
    offer(tmp_path, 0, 900, 60)
    offer(tmp_path, 1, 100, 40)
    review(tmp_path, 1, [0] * 60, [[0]] * 40 + [[1]] * 20)
    review(tmp_path, 100, [1] * 40, [[1]] * 39 + [[0]])
    found = reader.quality("cell", BEGIN, BEGIN + HOUR).certified
    assert (found["escape_rate"].bound, found["escape_rate"].standing) == (0.02, "broken")
    assert found["overkill_rate"].standing == "kept"
