"""A picture serves the trigger that it was exposed for, or none; missing numbers are counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saec.errors import CameraLostError
from saec.station.cameras import camera_driver
from saec.station.cameras.camera_contract import CameraPicture, FeatureValue, FoundCamera
from saec.station.cameras.camera_driver import CameraDriver, CameraTimes, FrameNumbers, TakenPicture
from saec.station.cameras.camera_settings import CameraSetup, TriggerMode
from saec.station.triggers.trigger_board import Announced, Trigger, TriggerBoard
from tests.station.cameras.camera_fakes import FakeCamera, lost, picture


class Outlet:
    def __init__(self) -> None:
        self.taken: list[TakenPicture] = []
        self.counts: Counter[str] = Counter()
        self.found: FoundCamera | None = None

    def opened(self, found: FoundCamera) -> None:
        self.found = found

    def put(self, taken: TakenPicture) -> None:
        self.taken.append(taken)

    def amiss(self, what: str, more: int, why: str) -> None:
        self.counts[what] += more

    def set_anew(self) -> None:
        self.taken.clear()


class Machine(FakeCamera):
    """A camera and a PLC that go through a script, one step at each fetch, and end the driver after it.

    The wire or the software fires for a trigger's number; the picture has that number as its first pixel, and
    comes when the script says so. What was exposed and not fetched is gone when acquisition stops.
    """

    def __init__(self, steps: list[str], board: TriggerBoard, over: threading.Event, wired: bool) -> None:
        super().__init__()
        self._steps, self._board, self._over, self._wired = iter(steps), board, over, wired
        self.announced: dict[int, Announced] = {}
        self.open: list[int] = []
        self.exposed: list[tuple[int, CameraPicture]] = []
        self.arrived: list[CameraPicture] = []
        self.number = self.exposures = 0

    def step(self) -> None:
        what = next(self._steps, None)
        if what is None:
            self._over.set()
        elif what == "announce":
            self.announce()
        elif what == "withdraw":
            self.withdraw()
        elif what == "swap":
            self.withdraw()
            self.announce()
        elif what == "arrive" and self.exposed:
            self.arrived.append(self.exposed.pop(0)[1])
        elif what == "bounce":
            self.expose(0, "")
        elif what == "broken" and self.exposed:
            _, sent = self.exposed.pop(0)
            self.arrived.append(CameraPicture(pixels=None, number=sent.number, fault="packets are missing"))
        if self.open and self.announced[self.open[0]].wait(0):
            self.open = []

    def announce(self) -> None:
        if self.open:  # a PLC has one trigger at a time
            return
        self.number += 1
        trigger = Trigger(plc="p", number=self.number, source="cam", line="nut", at=0.0, due=1.0)
        self.announced[self.number] = self._board.announce(trigger)
        self.open = [self.number]
        if self._wired:
            self.expose(self.number, "")

    def withdraw(self) -> None:
        for number in self.open:
            self._board.withdraw(self.announced[number])
        self.open = []

    def expose(self, number: int, _name: str) -> None:
        self.exposures += 1
        sent = picture(number)
        self.exposed.append(
            (number, CameraPicture(pixels=sent.pixels, number=self.exposures, camera_time=float(number)))
        )

    def execute(self, name: str) -> None:
        waiting = TriggerBoard.wait_for(self._board, "cam", 0)
        self.expose(waiting.number if waiting else 0, name)

    def set_feature(self, name: str, value: FeatureValue) -> None:
        pass

    def stop(self) -> None:
        self.step()
        self.exposed, self.arrived = [], []

    def fetch(self, seconds: float) -> CameraPicture | None:
        self.step()
        return self.arrived.pop(0) if self.arrived else None


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_driver, "LOOK", 0.0)


class SteppingBoard(TriggerBoard):
    """Lets the machine go on while the driver asks for a trigger, as other threads do."""

    machine: Machine | None = None

    def wait_for(self, source: str, seconds: float) -> Trigger | None:
        if self.machine is not None:
            self.machine.step()
        return super().wait_for(source, 0)


STEPS = st.lists(
    st.sampled_from(["announce", "withdraw", "swap", "arrive", "arrive", "broken", "rest"]), max_size=60
)


def played(mode: TriggerMode, steps: list[str]) -> tuple[Machine, Outlet]:
    board, over, outlet = SteppingBoard(), threading.Event(), Outlet()
    machine = board.machine = Machine(steps, board, over, wired=mode == "hardware")
    times = CameraTimes(picture=1e6, ahead=0.0)
    setup = CameraSetup(backend="aravis", trigger=mode)
    CameraDriver("cam", setup, times, board, outlet, lambda _setup: machine).run(over)
    assert machine.closed == 1
    return machine, outlet


@pytest.mark.parametrize("mode", ["hardware", "software"])
@given(steps=STEPS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_picture_serves_another_trigger_than_its_own(mode: TriggerMode, steps: list[str]) -> None:
    _, outlet = played(mode, steps)
    served = [taken.trigger.number for taken in outlet.taken if taken.trigger is not None]
    assert served == [taken.picture.camera_time for taken in outlet.taken]
    assert len(served) == len(set(served))


@pytest.mark.parametrize("mode", ["hardware", "software"])
def test_a_late_picture_of_a_withdrawn_trigger_serves_none_and_the_next_is_served(mode: TriggerMode) -> None:
    late = ["announce", "rest", "withdraw", "arrive", *["rest"] * 4]
    machine, outlet = played(mode, [*late, "announce", "rest", "rest", "arrive", "rest", "rest"])
    assert [taken.trigger.number for taken in outlet.taken] == [2]
    assert outlet.counts["missed"] == 1
    assert machine.restarts == 1


def test_an_incomplete_picture_fails_its_trigger_at_once() -> None:
    machine, outlet = played("hardware", ["announce", "broken", "rest"])
    assert machine.announced[1].wait(0)
    assert "packets are missing" in machine.announced[1].failure
    assert outlet.counts == {"incomplete": 1}


def test_a_wires_second_picture_is_a_stray() -> None:
    _, outlet = played("hardware", ["announce", "arrive", "bounce", "arrive", "rest"])
    assert [taken.trigger.number for taken in outlet.taken] == [1]
    assert outlet.counts == {"stray": 1}


def test_a_software_trigger_without_a_picture_fails_in_its_time_and_the_camera_is_drained() -> None:
    board, over, outlet = TriggerBoard(), threading.Event(), Outlet()
    camera = FakeCamera()
    camera.execute = lambda name: None  # type: ignore[method-assign]
    announced = board.announce(Trigger(plc="p", number=1, source="cam", line="nut", at=0.0, due=1.0))
    camera.start = over_at(2, over)  # type: ignore[method-assign]
    setup = CameraSetup(backend="aravis", trigger="software")
    CameraDriver("cam", setup, CameraTimes(picture=0.01), board, outlet, lambda _s: camera).run(over)
    assert announced.wait(0)
    assert "no picture within 0.01 s" in announced.failure
    assert outlet.counts == {"missed": 1}


def over_at(times: int, over: threading.Event) -> Callable[[], None]:
    calls: Iterator[int] = iter(range(1, times + 1))

    def start() -> None:
        if next(calls) == times:
            over.set()

    return start


def test_each_software_trigger_fires_the_camera_once() -> None:
    board, over, outlet = TriggerBoard(), threading.Event(), Outlet()
    camera, served = FakeCamera(), list[int]()

    def put(taken: TakenPicture) -> None:
        assert taken.trigger is not None
        board.taken(taken.trigger.capture, taken.trigger.number)
        served.append(taken.trigger.number)
        if len(served) == 5:
            over.set()
            return
        announce()

    def announce() -> None:
        board.announce(Trigger(plc="p", number=len(served) + 1, source="cam", line="nut", at=0.0, due=1.0))

    outlet.put = put  # type: ignore[method-assign]
    announce()
    setup = CameraSetup(backend="aravis", trigger="software")
    CameraDriver("cam", setup, CameraTimes(picture=30.0), board, outlet, lambda _s: camera).run(over)
    assert served == [1, 2, 3, 4, 5]
    assert camera.done.count(("TriggerSoftware", True)) == 5
    assert outlet.counts == {}


def test_a_camera_that_is_lost_is_closed_and_says_so() -> None:
    board, outlet, camera = TriggerBoard(), Outlet(), FakeCamera()
    for number in (1, 2, 5):
        camera.coming.put(picture(number))
    camera.coming.put(lost())
    driver = CameraDriver(
        "cam", CameraSetup(backend="aravis"), CameraTimes(silence=1e6), board, outlet, lambda _s: camera
    )
    with pytest.raises(CameraLostError, match="no longer answers"):
        driver.run(threading.Event())
    assert camera.closed == 1
    assert [taken.picture.number for taken in outlet.taken] == [1, 2, 5]
    assert outlet.counts == {"lost": 2}


def test_a_camera_that_runs_by_itself_and_sends_nothing_is_lost() -> None:
    board, outlet = TriggerBoard(), Outlet()
    driver = CameraDriver(
        "cam", CameraSetup(backend="aravis"), CameraTimes(silence=0.0), board, outlet, lambda _s: FakeCamera()
    )
    with pytest.raises(CameraLostError, match="gave no picture"):
        driver.run(threading.Event())


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3], 0),
        ([7, 8, 11], 2),
        ([65534, 65535, 1, 2], 0),
        ([65534, 2], 2),
        ([100, 1], 0),
        ([70000, 1], 0),
        ([5, 5_000_000], 0),
        ([5, None, 9], 0),
        ([0, 1], 0),
    ],
)
def test_numbers_that_are_left_out_are_counted(numbers: list[int | None], missing: int) -> None:
    seen = FrameNumbers()
    assert sum(map(seen.missing_before, numbers)) == missing
