"""Versions of a line: added, watched, promoted, rolled back; an old one is never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.errors import LineError
from saec.profile import LineProfile
from saec.station.line.version_store import VersionStore
from tests.run_fakes import CALIBRATION, make_line


@pytest.fixture
def profiles(tmp_path: Path) -> list[LineProfile]:
    return [make_line(tmp_path / f"made-{i}") for i in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    return VersionStore(tmp_path / "lines" / "bottle")


def test_the_first_version_is_current_and_the_same_files_are_one_version(
    store: VersionStore, profiles: list[LineProfile]
) -> None:
    with pytest.raises(LineError, match="no version"):
        store.state()
    assert [store.add(p.folder) for p in (*profiles[:2], profiles[0])] == [1, 2, 1]
    assert store.add(profiles[0].folder, model="bottle@2") == 3
    assert store.state().current == 1
    assert (store.model(1), store.model(3)) == (None, "bottle@2")
    assert store.profile(2).line.name == profiles[1].line.name


def test_promote_and_roll_back(store: VersionStore, profiles: list[LineProfile]) -> None:
    for profile in profiles:
        store.add(profile.folder)
    with pytest.raises(LineError, match="no earlier"):
        store.roll_back()
    store.shadow(3)
    store.promote(2)
    assert (store.state().current, store.state().shadow) == (2, 3)
    store.promote(3)
    assert (store.state().current, store.state().shadow) == (3, None)
    assert store.roll_back() == 2
    assert store.roll_back() == 3
    store.promote(3)
    assert store.state().previous == 2
    for call in (store.promote, store.shadow, store.profile):
        with pytest.raises(LineError, match="no version 9"):
            call(9)


def test_a_recalibrated_profile_is_another_version_and_the_old_one_stays(
    store: VersionStore, profiles: list[LineProfile]
) -> None:
    store.add(profiles[0].folder)
    profiles[0].recalibrated(CALIBRATION)
    assert store.add(profiles[0].folder) == 2
    assert (store.profile(1).calibration.version, store.profile(2).calibration.version) == (1, 2)


def test_what_is_no_profile_is_refused(store: VersionStore, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(LineError):
        store.add(tmp_path / "x")
    with pytest.raises(LineError):
        store.state()


def test_a_copy_that_was_cut_off_is_made_again(store: VersionStore, profiles: list[LineProfile]) -> None:
    for name in ("v1", "v1.partial"):
        (store.folder / name).mkdir(parents=True)
        (store.folder / name / "half").write_text("")
    assert store.add(profiles[0].folder) == 1
    assert not (store.path(1) / "half").exists()
    store.profile(1)


@pytest.mark.parametrize("left", [1, 2])
def test_versions_without_their_state_are_not_begun_anew(
    store: VersionStore, profiles: list[LineProfile], left: int
) -> None:
    for profile in profiles[:left]:
        store.add(profile.folder)
    (store.folder / "state.json").unlink()
    before = sorted(path.name for path in store.folder.rglob("*"))
    with pytest.raises(LineError, match="which version judges") as e:
        store.add(profiles[2].folder)
    assert "backup" in e.value.remedy
    assert sorted(path.name for path in store.folder.rglob("*")) == before


def test_a_first_start_that_died_before_its_state_was_written_is_done_again(
    store: VersionStore, profiles: list[LineProfile]
) -> None:
    store.add(profiles[0].folder)
    (store.folder / "state.json").unlink()
    assert store.add(profiles[0].folder) == 1
    assert store.state().current == 1
