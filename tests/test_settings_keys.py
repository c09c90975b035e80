"""What identifies an answer is made of all settings but those that are marked."""

from __future__ import annotations

import msgspec
import pytest

from saec import cloud
from saec.frame.judges import Cloud
from saec.settings import CloudConfig, ModelCard, NotInKey, RemoteConfig, RunConfig, Spending, identifying
from tests.run_fakes import FakeCloud

ENGINE_SAYS = {"model", "adapter", "service_model"}
"""Settings that the engine's name says."""

SPEED = {"batch", "device", "prefixes"}


class Wider(CloudConfig, frozen=True, kw_only=True):
    contrast: float = 1.0
    workers: NotInKey[int] = 1


class WiderSpending(Spending, frozen=True, kw_only=True):
    border: int = 0


class WiderCard(ModelCard, frozen=True, kw_only=True):
    grey: bool = False


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    engine = FakeCloud()
    monkeypatch.setattr(cloud, "open_engine", lambda config: engine)
    return engine


def test_a_new_setting_is_in_the_key_unless_it_is_marked() -> None:
    key = Cloud(Wider(model="small")).key
    assert Cloud(Wider(model="small", contrast=2.0)).key != key
    assert Cloud(Wider(model="small", workers=2)).key == key
    assert (
        key == Cloud(CloudConfig(model="small")).key
    )  # a default that changes nothing leaves older keys as they were
    keys = {
        Cloud(CloudConfig(model="small", spending=WiderSpending(rule="crop", border=n))).key for n in (0, 1)
    }
    assert len(keys) == 2


def test_a_new_field_of_the_models_card_is_in_the_key(engine: FakeCloud) -> None:
    key = Cloud(CloudConfig(model="small")).key
    for card in (WiderCard(grey=True), ModelCard(square=True), ModelCard(max_references=1)):
        engine.card = card
        assert Cloud(CloudConfig(model="small")).key != key


def test_what_the_engine_has_made_of_its_card_is_in_the_key(engine: FakeCloud) -> None:
    keys = {Cloud(CloudConfig(model="small")).key}
    for name, value in {"side": 56, "views": 2, "prompt": "v9", "weights_hash": "cd" * 32}.items():
        setattr(engine, name, value)
        keys.add(Cloud(CloudConfig(model="small")).key)
    assert len(keys) == 5


def test_each_setting_that_changes_answers_changes_the_key() -> None:
    others = {
        "side_px": 56, "tokens": 9, "references": 0, "prompt": "v2", "scoring": "rank", "views": 2,
        "dtype": "fp8", "attention": "eager", "spending": Spending(rule="crop"),
        "remote": RemoteConfig(url="https://a/v1", jpeg_quality=80),
    }  # fmt: skip
    assert set(others) | ENGINE_SAYS | SPEED == set(CloudConfig.__struct_fields__)
    keys = {
        Cloud(msgspec.structs.replace(CloudConfig(model="small"), **{name: v})).key
        for name, v in others.items()
    }
    assert len(keys | {Cloud(CloudConfig(model="small")).key}) == len(others) + 1


def test_how_a_service_is_reached_is_in_no_key() -> None:
    here = Cloud(CloudConfig(model="small")).key
    reached = RemoteConfig(url="https://a/v1", token_file="t", timeout_s=1.0, retries=0, concurrency=1)
    assert Cloud(CloudConfig(model="small", remote=reached)).key == here
    assert Cloud(CloudConfig(model="small", batch=1, device="cpu")).key == here


def test_settings_of_a_run_that_change_no_label_are_marked() -> None:
    assert identifying(RunConfig(decode_ahead=1, waiting=1, decoders=2, maps=False, explain=False)) == {}
    assert identifying(RunConfig(deadline_s=1.0)) == {"deadline_s": 1.0}
