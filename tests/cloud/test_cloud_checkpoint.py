from __future__ import annotations

import json

import pytest

from saec.cloud import checkpoint
from saec.cloud.checkpoint import (
    SMALL,
    Card,
    check_adapter,
    check_checkpoint,
    find_checkpoint,
    read_card,
    weight_files,
    weights_hash,
)
from saec.errors import ModelError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_the_shipped_checkpoint_is_complete_small_and_says_what_it_is():
    check_checkpoint(find_checkpoint("small"))
    assert read_card(SMALL).demonstration
    files = [p for p in SMALL.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 24_000_000
    assert max(p.stat().st_size for p in files) <= 8_000_000
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".md"}
    assert "DEMONSTRATION" in (SMALL / "README.md").read_text()[:400]


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "nowhere", "a/b/c", "../x/y"])
def test_what_looks_like_a_path_is_never_asked_of_a_hub(name, monkeypatch):
    monkeypatch.setattr(checkpoint, "_from_hub", lambda n: pytest.fail(f"asked the hub for {n}"))
    with pytest.raises(ModelError, match="not a folder"):
        find_checkpoint(name)


def test_a_hub_that_fails_is_told_with_its_remedy(monkeypatch):
    def fail(name, **_):
        raise OSError("no network\nlong story")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ModelError, match="owner/name") as e:
        find_checkpoint("owner/name")
    assert "\n" not in e.value.what
    assert "HF_TOKEN" in e.value.remedy


def test_a_hub_name_never_fetches_pickles(monkeypatch, folder):
    asked = {}

    def give(name, **options):
        asked.update(options)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert find_checkpoint("owner/name") == folder
    assert not any(p.endswith((".bin", ".pt", "*")) for p in asked["allow_patterns"])


def test_another_architecture_is_refused(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "llava_next"}))
    with pytest.raises(ModelError, match="'llava_next'"):
        check_checkpoint(folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        check_checkpoint(folder)


@pytest.mark.parametrize("text", ["not json", "[1]"])
def test_a_damaged_config_is_named(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        check_checkpoint(folder)


def test_a_folder_without_config_is_no_checkpoint(tmp_path):
    with pytest.raises(ModelError, match="not a checkpoint"):
        check_checkpoint(tmp_path)


def test_each_missing_piece_of_an_adapter_is_an_error(tmp_path):
    adapter = tmp_path / "adapter"
    with pytest.raises(ModelError, match="folder"):
        check_adapter(str(adapter))
    adapter.mkdir()
    with pytest.raises(ModelError, match="configuration"):
        check_adapter(str(adapter))
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="weights"):
        check_adapter(str(adapter))
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    assert check_adapter(str(adapter)) == adapter


def test_a_checkpoint_without_card_is_no_demonstration(folder):
    assert read_card(folder) == Card()
    assert not Card().demonstration
    (folder / "saec.json").write_text('{"demonstration": "perhaps"}')
    with pytest.raises(ModelError, match="damaged"):
        read_card(folder)


def test_the_hash_follows_every_byte_and_every_folder(folder, tmp_path):
    before = weights_hash([folder])
    assert weights_hash([folder]) == before
    assert weights_hash([folder, folder]) != before
    (folder / "model.safetensors").write_bytes(b"weighty")
    assert weights_hash([folder]) != before
    assert weight_files(folder) == [folder / "model.safetensors"]


def test_the_data_card_speaks_of_the_weights_that_ship():
    assert weights_hash([SMALL])[:16] in (SMALL / "README.md").read_text()
