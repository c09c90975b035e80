"""Cameras are set at each change, and again where they could not be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from saec.errors import MachineError
from saec.station.recipes.camera_change import CameraChange, FeatureReceiver
from saec.station.recipes.recipe_book import RecipeBook
from saec.station.recipes.recipe_settings import Feature
from tests.station.recipes.test_recipe_choice import Bench, recipe


class Camera:
    """A camera that may be away."""

    def __init__(self) -> None:
        self.state, self.away = "ok", False
        self.features: list[dict[str, Feature]] = []

    def apply_features(self, features: Mapping[str, Feature]) -> None:
        if self.away:
            raise MachineError("the camera cannot be reached", "look at its cable")
        self.features.append(dict(features))


def test_the_line_is_ready_when_its_camera_has_the_features(tmp_path: Path) -> None:
    bench, camera = Bench(tmp_path / "data"), Camera()
    RecipeBook(bench.folder).revise([recipe(n, camera={"cam": {"Gain": n}}) for n in (1, 2)], 0)
    choice = bench.start()
    assert isinstance(camera, FeatureReceiver)
    change = CameraChange("cell", choice, {"cam": camera}, lambda *told: bench.alarms.append(told))
    change.turn()  # nothing is in force
    choice.choose("cell", 2, "anna")
    assert not choice.ready("cell")
    change.turn()
    assert (choice.ready("cell"), camera.features) == (True, [{"Gain": 2}])
    change.turn()
    assert len(camera.features) == 1
    camera.away = True
    choice.choose("cell", 1, "anna")
    change.turn()
    change.turn()
    assert not choice.ready("cell")
    assert [kind for kind, _, _ in bench.alarms] == ["recipe-camera"]
    camera.away = False
    change.turn()
    assert (choice.ready("cell"), camera.features[-1]) == (True, {"Gain": 1})


def test_after_a_restart_the_camera_is_set_before_the_line_is_ready(tmp_path: Path) -> None:
    bench, camera = Bench(tmp_path / "data"), Camera()
    RecipeBook(bench.folder).revise([recipe(1, camera={"cam": {"Gain": 1}})], 0)
    bench.start().choose("cell", 1, "anna")
    choice = bench.start()
    change = CameraChange("cell", choice, {"cam": camera}, lambda *told: None)
    assert not choice.ready("cell")
    change.turn()
    assert (choice.ready("cell"), camera.features) == (True, [{"Gain": 1}])
