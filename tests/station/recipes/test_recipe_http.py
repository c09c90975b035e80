"""A recipe is chosen over HTTP and on the command line, and heeded by a running station."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from saec import edge
from saec.cli import root
from saec.errors import ConfigError
from saec.station.setup.settings_file import read_settings
from saec.station.startup_check import check_openable
from saec.web.admission.tokens import Tokens
from tests.run_fakes import FakeDetector, make_line
from tests.station.station_fakes import DEFECT, Running, png

TOML = """
[station]
data = "data"
listen = "127.0.0.1:0"

[spool]
free_gb = 0

[[line]]
name = "cell"
profile = "profile"
guard = { dark = 0, bright = 255, blur = 0, empty = 0 }
deadline_s = 20.0

[[recipe]]
number = 7
name = "bolt M8"
line = "cell"

[[recipe]]
number = 8
name = "bolt M10"
line = "cell"
threshold = 4.0
region = [0, 0, 8, 4]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chosen")
    make_line(folder / "profile")
    (folder / "station.toml").write_text(TOML)
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge, "open_detector", lambda profile: FakeDetector())
        with Running(read_settings(folder / "station.toml"), None, Tokens(None)) as running:
            yield running


def choose(running: Running, number: object, line: str = "cell") -> int:
    return running.client.post(f"/v1/lines/{line}/recipe", json={"number": number}).status_code


def test_a_recipe_is_asked_and_chosen_over_http(running: Running) -> None:
    told = running.client.get("/v1/lines/cell/recipe").json()
    assert told["known"] == [{"number": 7, "name": "bolt M8"}, {"number": 8, "name": "bolt M10"}]
    assert running.client.get("/v1/lines/none/recipe").status_code == 404
    assert choose(running, 8) == 200
    told = running.client.get("/v1/lines/cell/recipe").json()
    assert (told["number"], told["name"], told["fault"]) == (8, "bolt M10", "")
    verdict = running.post(png(DEFECT), Idempotency_Key="a").json()["verdict"]
    assert (verdict["recipe"], verdict["label"]) == (8, 1)
    row = running.station.audit.rows(what="recipe.choose")[0]
    assert (row.role, row.about, row.after["threshold"]) == ("program", "cell", 4.0)


@pytest.mark.parametrize(
    "body", ["", "7", '{"number": "7"}', '{"number": 7, "x": 1}', '{"number": 1.5}', "\xff"]
)
def test_what_is_no_choice_is_refused_and_changes_nothing(running: Running, body: str) -> None:
    assert choose(running, 7) == 200
    assert running.client.post("/v1/lines/cell/recipe", content=body.encode("latin-1")).status_code == 400
    assert running.client.get("/v1/lines/cell/recipe").json()["number"] == 7


def test_an_unknown_number_leaves_none_in_force_and_the_station_says_so(running: Running) -> None:
    assert choose(running, 7) == 200
    answer = running.client.post("/v1/lines/cell/recipe", json={"number": 99})
    assert answer.status_code == 400
    assert "no recipe 99" in answer.json()["error"]["message"]
    assert running.client.get("/v1/lines/cell/recipe").json()["number"] is None
    assert "no recipe 99" in running.client.get("/ready").text
    verdict = running.post(png(DEFECT), Idempotency_Key="b").json()["verdict"]
    assert (verdict["state"], verdict["reason"]) == ("error", "recipe-error")
    assert 'saec_recipe{line="cell"} 0.0' in running.client.get("/metrics").text
    assert choose(running, 7) == 200
    assert 'saec_recipe_ready{line="cell"} 1.0' in running.client.get("/metrics").text


def test_a_running_station_heeds_the_command_line(running: Running, folder: Path) -> None:
    assert choose(running, 7) == 200

    def saec(command: str, *words: str) -> Result:
        config = str(folder / "station.toml")
        return CliRunner().invoke(root, ["station", command, "--config", config, *words])

    listed = ["7 bolt M8, the current version in force", "8 bolt M10, the current version"]
    assert saec("recipes", "cell").output.splitlines() == listed
    assert saec("recipe", "cell", "8", "--reason", "order 12").exit_code == 0
    for _ in range(600):
        if running.client.get("/v1/lines/cell/recipe").json()["number"] == 8:
            break
    verdict = running.post(png(DEFECT), Idempotency_Key="c").json()["verdict"]
    assert verdict["recipe"] == 8
    assert running.station.audit.rows(what="recipe.choose")[0].role == "shell"
    assert "no product line named unit" in str(saec("recipe", "unit", "8").exception)


def test_a_version_that_is_not_there_is_found_before_the_start(folder: Path) -> None:
    path = folder / "other.toml"
    path.write_text(TOML + "\n" + TOML[TOML.rindex("[[recipe]]") :].replace("8", "9", 1) + "version = 3\n")
    settings = read_settings(path)
    with pytest.raises(ConfigError, match="recipe 9 names version 3"):
        check_openable(settings)
