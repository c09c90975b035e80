"""Manifests: one role per image, errors that name the image and both roles, files that read back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.data.items import Item
from saec.data.manifest import Manifest, ManifestEntry, check_disjoint
from saec.errors import DataError, LeakError

ROLES = ("train", "calibration", "holdout", "sft-train", "sft-val")
entries = st.builds(
    ManifestEntry, st.sampled_from(ROLES), st.text(), st.sampled_from([0, 1, None]), st.text(max_size=3)
)


def item(path: Path, content: str, label: int = 0) -> Item:
    path.write_text(content)
    return Item(path=path, label=label)


def test_an_image_in_two_roles_stops(tmp_path: Path) -> None:
    manifest = Manifest()
    manifest.add("train", [item(tmp_path / "a.png", "x"), item(tmp_path / "b.png", "x")], root=tmp_path)
    assert len(manifest.roles) == 1
    with pytest.raises(LeakError) as e:
        manifest.add("holdout", [item(tmp_path / "c.png", "x")], root=tmp_path)
    for word in ("a.png", "c.png", "train", "holdout"):
        assert word in e.value.what


def test_one_image_with_two_labels_stops(tmp_path: Path) -> None:
    images = [item(tmp_path / "a.png", "x", 0), item(tmp_path / "b.png", "x", 1)]
    with pytest.raises(DataError, match="different labels"):
        Manifest().add("holdout", images)


def test_given_hashes_are_used_and_counted(tmp_path: Path) -> None:
    manifest = Manifest()
    manifest.add("train", [Item(path=Path("no/such.png"), label=0)], hashes=["ab"])
    assert manifest.having("train")["ab"].path == "no/such.png"
    with pytest.raises(ValueError):
        manifest.add("train", [Item(path=Path("x"))], hashes=["1", "2"])
    with pytest.raises(DataError):
        manifest.add("train", [Item(path=tmp_path / "gone.png")])


@given(st.dictionaries(st.text("0123456789abcdef", min_size=1), entries, max_size=8))
def test_disjointness(roles: dict[str, ManifestEntry]) -> None:
    manifest = Manifest(roles=roles)
    leaky = {sha for sha, e in roles.items() if e.role != "holdout"}
    check_disjoint([sha for sha in roles if sha not in leaky] + ["fresh"], manifest)
    for sha in leaky:
        with pytest.raises(LeakError) as e:
            check_disjoint({sha: "test/judged.png", "fresh": "other.png"}, manifest)
        for word in ("test/judged.png", "hold-out", roles[sha].role, roles[sha].path):
            assert word in e.value.what


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


@given(st.dictionaries(st.text("0123456789abcdef", min_size=1), entries, max_size=8))
def test_reads_back_what_was_written(folder: Path, roles: dict[str, ManifestEntry]) -> None:
    Manifest(roles=roles, about={"seed": 1}).write(folder)
    first = (folder / "manifest.json").read_bytes()
    back = Manifest.read(folder)
    assert back.roles == roles
    assert back.about == {"seed": 1}
    Manifest(roles=dict(reversed(roles.items())), about={"seed": 1}).write(folder / "manifest.json")
    assert (folder / "manifest.json").read_bytes() == first
    assert [p.name for p in folder.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schema": 9}', '{"roles": {"a": {"role": "x", "path": "p"}}}']
)
def test_damaged_manifests_are_errors(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError):
        Manifest.read(tmp_path)


def test_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        Manifest.read(tmp_path)
