from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from saec.cloud import open_engine
from saec.cloud.checkpoints.weights import check_four_bits
from saec.cloud.questions.chat_template import scoring_text
from saec.data.images.pixels import read_image
from saec.data.manifest import Manifest
from saec.errors import ConfigError, LeakError, ModelError
from saec.prompts import V1
from saec.runs.domain import adapter_origin
from saec.settings import CloudConfig, ModelCard
from saec.tune.adapter_card import AdapterCard
from saec.tune.adapter_layers import add_adapter, load_base, trained
from saec.tune.merged_checkpoint import merge_adapter, read_adapter_card
from saec.tune.samples import read_data
from saec.tune.training import rate_share
from saec.tune.training_questions import Draw, Questions
from saec.tune.tuning_run import STATE, tune
from saec.tune.tuning_settings import TuneConfig
from saec.types import CloudQuery, Frame
from tests.helpers_numeric import p_apart, same_opinions

WHEN = "2026-01-01T00:00:00+00:00"


class Killed(Exception):
    """What a kill at a step looks like from within."""


def killer(at: int) -> Callable[..., Any]:
    def report(what: str, done: int, total: int) -> None:
        if what == "steps" and done == at:
            raise Killed

    return report


@pytest.fixture(scope="module")
def tuned(
    raw: Path, settings: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, TuneConfig, AdapterCard]:
    """Data, adapter, settings and card of one uninterrupted run."""
    from saec.data.builders.instructions import build_sft

    root = tmp_path_factory.mktemp("tuned")
    data = build_sft(raw, root / "sft").out
    config = settings(epochs=4, seed=3)
    return data, root / "adapter", config, tune(data, root / "adapter", config, created=WHEN)


def weights(adapter: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(adapter / "adapter_model.safetensors")


def opinions(data: Path, base: str, adapter: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """P(defect) of the validation images by the engine that judges, and their labels."""
    samples = read_data(data)
    good = next(s for s in samples.train if s.label == 0)
    reference = read_image(good.image)
    engine = open_engine(
        CloudConfig(
            model=base,
            adapter=None if adapter is None else str(adapter),
            dtype="float32",
            device="cpu",
            views=1,
        )
    )
    queries = [CloudQuery(Frame(s.id, read_image(s.image)), (reference,)) for s in samples.val]
    return np.array([o.p_defect for o in engine.judge(queries)]), np.array([s.label for s in samples.val])


@pytest.mark.numeric
def test_the_loss_falls_and_labels_turn_right(tuned: tuple[Path, Path, TuneConfig, AdapterCard]) -> None:
    data, adapter, config, card = tuned
    assert card.chosen.loss < 0.7 * card.before.loss
    assert card.chosen.balanced_accuracy > 0.9 > card.before.balanced_accuracy
    before, labels = opinions(data, config.base, None)
    after, _ = opinions(data, config.base, adapter)
    assert (after - before)[labels == 1].mean() > (after - before)[labels == 0].mean()
    assert ((after >= 0.5) == labels).mean() > 0.9


def test_the_adapter_says_what_it_is(tuned: tuple[Path, Path, TuneConfig, AdapterCard]) -> None:
    data, adapter, _, card = tuned
    assert read_adapter_card(adapter) == card
    assert adapter_origin(str(adapter)) == "plates"
    assert (card.train.good, card.train.defect, card.val.good, card.val.defect) == (8, 6, 6, 6)
    assert card.task.prompt == "v1"
    assert [e.epoch for e in card.epochs] == [1, 2, 3, 4]
    assert card.chosen == max(card.epochs, key=lambda e: e.rank)
    assert Manifest.read(adapter).having("sft-train").keys() == {s.sha256 for s in read_data(data).train}
    assert sorted(p.name for p in adapter.iterdir() if p.is_file()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
        "saec_adapter.json",
    ]


def test_the_adapter_is_one_that_servers_take(tuned: tuple[Path, Path, TuneConfig, AdapterCard]) -> None:
    _, adapter, _, _ = tuned
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert (config["bias"], config["modules_to_save"], config["use_dora"]) == ("none", None, False)
    names = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in weights(adapter)}
    attention = {f"model.language_model.layers.0.self_attn.{k}_proj" for k in "qkvo"}
    assert names == attention | {"model.visual.merger.mlp.0", "model.visual.merger.mlp.2"}


@pytest.mark.parametrize("at", [7, 12])
def test_a_killed_run_goes_on_to_the_very_same_adapter(
    tuned: tuple[Path, Path, TuneConfig, AdapterCard], tmp_path: Path, at: int
) -> None:
    data, adapter, config, card = tuned
    out = tmp_path / "adapter"
    with pytest.raises(Killed):
        tune(data, out, config, created=WHEN, report=killer(at))
    assert (out / STATE).is_file()
    assert not (out / "adapter_model.safetensors").exists()
    again = tune(data, out, config, created=WHEN, resume=True)
    ours, theirs = weights(out), weights(adapter)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert again.epochs == card.epochs


def test_a_finished_adapter_is_left_alone(tuned: tuple[Path, Path, TuneConfig, AdapterCard]) -> None:
    data, adapter, config, card = tuned
    assert tune(data, adapter, config, created="later", resume=True) == card
    assert not (adapter / STATE).exists()
    with pytest.raises(ConfigError, match="not empty"):
        tune(data, adapter, config, created=WHEN)
    other = msgspec.structs.replace(config, lora_rank=4)
    with pytest.raises(ConfigError, match="tuned on other data"):
        tune(data, adapter, other, created=WHEN, resume=True)


def test_resuming_as_something_else_is_refused(
    sft: Path, tmp_path: Path, settings: Callable[..., Any]
) -> None:
    out = tmp_path / "adapter"
    with pytest.raises(ModelError, match="nothing to resume"):
        tune(sft, out, settings(), created=WHEN, resume=True)
    with pytest.raises(Killed):
        tune(sft, out, settings(), created=WHEN, report=killer(1))
    with pytest.raises(ConfigError, match="learning_rate"):
        tune(sft, out, settings(learning_rate=1e-5), created=WHEN, resume=True)
    val = (sft / "val.jsonl").read_text().splitlines()
    (sft / "val.jsonl").write_text("\n".join(val[1:]))
    with pytest.raises(ConfigError, match="the data"):
        tune(sft, out, settings(), created=WHEN, resume=True)
    (out / STATE).write_bytes(b"torn")
    with pytest.raises(ModelError, match="damaged"):
        tune(sft, out, settings(), created=WHEN, resume=True)


@pytest.mark.numeric
def test_the_merged_checkpoint_answers_as_base_and_adapter(
    tuned: tuple[Path, Path, TuneConfig, AdapterCard], tmp_path: Path
) -> None:
    data, adapter, config, _ = tuned
    out = tmp_path / "merged"
    merge_adapter(adapter, out, config)
    with_adapter, _ = opinions(data, config.base, adapter)
    merged, _ = opinions(data, str(out), None)
    alone = open_engine(CloudConfig(model=str(out), dtype="float32", device="cpu"))
    same_opinions(alone, with_adapter, merged)
    base, _ = opinions(data, config.base, None)
    assert np.abs(merged - base).max() > 2 * p_apart(alone)
    assert (out / "saec.json").read_text() == (Path(config.base) / "saec.json").read_text()
    with pytest.raises(ConfigError, match="not empty"):
        merge_adapter(adapter, out, config)
    with pytest.raises(ModelError, match="are not those that"):
        merge_adapter(adapter, tmp_path / "other", msgspec.structs.replace(config, base=str(out)))


@pytest.mark.numeric
def test_a_question_is_what_the_engine_asks(sft: Path, settings: Callable[..., Any]) -> None:
    config = settings()
    data = read_data(sft)
    core = load_base(config, Path(config.base))
    questions = Questions(core, ModelCard(side=56, square=True, max_references=1), data.train, 0)
    talks = [questions.prepare(Draw(s, (0, 0))) for s in data.val]
    from saec.cloud.questions.chat_template import scoring_text
    from saec.cloud.questions.ensemble import mean_p
    from saec.cloud.questions.label_scores import label_logits
    from saec.cloud.questions.token_layout import answer_ids

    answers = answer_ids(core.tokenizer, scoring_text(questions.prompt, 0), questions.prompt.labels)
    logits, _ = core.logits(talks)
    ours = [mean_p([pair]) for pair in label_logits(logits, answers)]
    engine = open_engine(CloudConfig(model=config.base, references=0, dtype="float32", device="cpu"))
    queries = [CloudQuery(Frame(s.id, read_image(s.image))) for s in data.val]
    same_opinions(engine, ours, [o.p_defect for o in engine.judge(queries)])
    with pytest.raises(ConfigError, match="2 references"):
        Questions(core, ModelCard(max_references=1), data.train, 2)


@pytest.mark.numeric
def test_only_the_adapter_is_trained_and_recomputing_changes_nothing(
    sft: Path, settings: Callable[..., Any], tmp_path: Path
) -> None:
    config = settings(epochs=1)
    core = load_base(config, Path(config.base))
    add_adapter(core, config)
    assert all(".lora_" in name for name in trained(core.model))
    add_adapter(core := load_base(config, Path(config.base)), msgspec.structs.replace(config, recompute=True))
    assert core.model.base_model.model.is_gradient_checkpointing
    inputs = core.inputs([core.prepare(scoring_text(V1, 0), [np.zeros((56, 56, 3), np.uint8)])])
    seen = core.model.train().get_base_model().model.visual(inputs["pixel_values"], inputs["image_grid_thw"])
    assert not seen.last_hidden_state.requires_grad  # else the frozen tower would have a backward pass
    plain = tune(sft, tmp_path / "a", config, created=WHEN)
    frugal = tune(sft, tmp_path / "b", msgspec.structs.replace(config, recompute=True), created=WHEN)
    assert frugal.chosen.loss == plain.chosen.loss  # the very same operations, made twice


def test_four_bits_hold_the_language_model_alone(
    sft: Path, settings: Callable[..., Any], tmp_path: Path
) -> None:
    from bitsandbytes.nn import Linear4bit

    config = settings(dtype="4bit", epochs=1)
    core = load_base(config, Path(config.base))
    held = [name for name, module in core.model.named_modules() if isinstance(module, Linear4bit)]
    assert len(held) == 7
    assert all(name.startswith("model.language_model.layers.") for name in held)
    core.model.model.visual.merger.mlp[0] = Linear4bit(8, 8)
    with pytest.raises(ModelError, match="merger"):
        check_four_bits(core.model)
    card = tune(sft, tmp_path / "adapter", config, created=WHEN)
    assert card.chosen.loss < card.before.loss


def test_a_missing_base_is_named(sft: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "base"
    with pytest.raises(ModelError, match="gone"):
        tune(sft, tmp_path / "out", TuneConfig(base=str(gone)), created=WHEN)
    assert not (tmp_path / "out").exists()


def test_settings_out_of_range_are_refused(sft: Path, tmp_path: Path) -> None:
    for wrong in (
        {"lora_rank": 0},
        {"learning_rate": 0.0},
        {"lora_dropout": 1.0},
        {"references": -1},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            tune(sft, tmp_path / "out", TuneConfig(**wrong), created=WHEN)


def test_the_rate_rises_and_falls() -> None:
    shares = [rate_share(step, 100, 0.1) for step in range(100)]
    assert shares[:10] == sorted(shares[:10])
    assert shares[9] == shares[10] == 1.0
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert 0 < shares[-1] < 0.01


def test_the_command_tunes_merges_and_refuses_leaks(sft: Path, base: Path, tmp_path: Path) -> None:
    from saec.cli.clouds.tune import command

    out, merged = tmp_path / "adapter", tmp_path / "merged"
    argv = ["--data", str(sft), "--base", str(base), "--out", str(out), "--device", "cpu"]
    done = CliRunner().invoke(
        command, [*argv, "--epochs", "1", "--merge", str(merged)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert "<- kept" in done.output
    assert (merged / "config.json").is_file()
    assert any((out / "tensorboard").iterdir())
    held = tmp_path / "held.json"
    manifest = read_data(sft).manifest
    manifest.roles = {
        sha: msgspec.structs.replace(e, role="holdout") for sha, e in list(manifest.roles.items())[:1]
    }
    manifest.write(held)
    with pytest.raises(LeakError, match=r"held\.json"):
        CliRunner().invoke(
            command, [*argv, "--resume", "--exclude-holdout", str(held)], catch_exceptions=False
        )
