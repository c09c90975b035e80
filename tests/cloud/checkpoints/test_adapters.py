"""Adapters as others save them mean what they meant, or are refused with the true reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from saec.cloud.checkpoints.weights import load_model
from saec.cloud.engines.qwen_forward import QwenModel
from saec.cloud.questions.chat_template import scoring_text
from saec.errors import ModelError
from saec.prompts import DEFAULT
from saec.service.served_model import ServedModel
from tests.cloud.helpers_cloud import noise

if TYPE_CHECKING:
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLForConditionalGeneration

NEW, OLD = "base_model.model.model.language_model.", "base_model.model.model."
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(random_checkpoint: Path) -> tuple[type[Qwen2_5_VLForConditionalGeneration], Path]:
    from transformers import Qwen2_5_VLForConditionalGeneration

    return Qwen2_5_VLForConditionalGeneration, random_checkpoint


@pytest.fixture
def make(base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], tmp_path: Path) -> Callable[..., Path]:
    """Makes an adapter as peft saves it; the same options give the same weights."""
    from peft import LoraConfig, get_peft_model

    def made(name: str = "adapter", **options: Any) -> Path:
        kind, folder = base
        model = kind.from_pretrained(folder, dtype=torch.float32)
        settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **options}
        adapted = get_peft_model(model, LoraConfig(**settings))
        draw = torch.Generator().manual_seed(3)
        for key, weight in sorted(adapted.named_parameters()):
            if "lora_B" in key or "lora_embedding_B" in key or "modules_to_save" in key or "bias" in key:
                weight.data += 0.1 * torch.randn(weight.shape, generator=draw)
        adapted.save_pretrained(tmp_path / name, save_embedding_layers=False)
        return tmp_path / name

    return made


def copied(adapter: Path, name: str, key: Callable[[str], str] = str, **config: Any) -> Path:
    """The same adapter under other names of its tensors, with other settings; None takes one away."""
    target = adapter.with_name(name)
    target.mkdir()
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({key(k): v for k, v in tensors.items()}, target / "adapter_model.safetensors")
    raw = json.loads((adapter / "adapter_config.json").read_text()) | config
    kept = {k: v for k, v in raw.items() if v is not None or k not in config}
    (target / "adapter_config.json").write_text(json.dumps(kept))
    return target


def logits(core: QwenModel) -> torch.Tensor:
    talks = [core.prepare(scoring_text(DEFAULT, 0), [noise(i, 112, 112)]) for i in range(2)]
    return core.submit(talks, adapter=core.first).result()


def opened(base: Any, adapter: Path) -> QwenModel:
    return QwenModel(base[1], {"one": adapter}, CPU, torch.float32)


def by_peft(base: Any, adapter: Path) -> torch.Tensor:
    """The logits that peft's own loader gives, in transformers' own pass."""
    from peft import PeftModel

    core = QwenModel(base[1], {}, CPU, torch.float32)
    core.model = PeftModel.from_pretrained(core.model, str(adapter), adapter_name="one").eval()
    talks = [core.prepare(scoring_text(DEFAULT, 0), [noise(i, 112, 112)]) for i in range(2)]
    return core.logits(talks)[0][:, -1].float()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target_modules": "all-linear"},
        {"target_modules": r"^(?!.*visual).*(?:q_proj|k_proj|up_proj|down_proj).*"},
        {"target_modules": ["qkv", "proj", "q_proj"]},  # "proj" is the patch embedding's convolution too
        {"target_modules": ["embed_tokens", "q_proj"]},
        {"use_dora": True},
        {"use_rslora": True},
        {"rank_pattern": {"layers.0.self_attn.q_proj": 8}, "alpha_pattern": {"self_attn.q_proj": 32}},
        {"modules_to_save": ["norm"]},
        {"layers_to_transform": [0]},
        {"bias": "lora_only"},
    ],
    ids=str,
)
def test_an_adapter_means_what_peft_reads_from_it(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path],
    make: Callable[..., Any],
    options: dict[str, object],
) -> None:
    adapter = make(**options)
    core = opened(base, adapter)
    wanted = by_peft(base, adapter)
    bare = logits(QwenModel(base[1], {}, CPU, torch.float32))
    effect = float((wanted - bare).abs().max())
    assert effect > 1e-2
    # Sums of a few hundred float32 products in another order: far below what the adapter does.
    assert float((logits(core) - wanted).abs().max()) < 1e-2 * effect


def test_what_the_fast_pass_does_not_pack_is_left_to_the_plain_one(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], make: Callable[..., Any]
) -> None:
    assert opened(base, make("language")).fast is not None
    assert opened(base, make("patches", target_modules=["proj", "q_proj"])).fast is None
    assert opened(base, make("words", target_modules=["embed_tokens", "q_proj"])).fast is None
    assert opened(base, make("head", target_modules=["lm_head", "q_proj"])).fast is None


@pytest.mark.parametrize(
    "key",
    [
        lambda k: k.replace(NEW, OLD),
        lambda k: k.replace("model.model.visual.", "model.visual.").replace(NEW, OLD),
        lambda k: k.replace(NEW, "base_model.model.language_model.model."),
        lambda k: k.removeprefix("base_model.model."),
        lambda k: k.replace(".lora_A.weight", ".lora_A.default.weight").replace(
            ".lora_B.", ".lora_B.default."
        ),
        lambda k: k.replace(NEW, "model."),
    ],
    ids=["transformers-4.51", "its-vision", "as-vllm-names-it", "no-prefix", "with-its-name", "bare-and-old"],
)
def test_names_of_other_versions_and_trainers_are_the_same_adapter(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path],
    make: Callable[..., Any],
    key: Callable[..., Any],
) -> None:
    """Bit for bit: the same tensors at the same places."""
    adapter = make(
        target_modules=["q_proj", "v_proj", "qkv"],
        rank_pattern={"layers.0.self_attn.q_proj": 8},
        alpha_pattern={"layers.0.self_attn.q_proj": 32},
    )
    other = copied(adapter, "other", key)
    assert torch.equal(logits(opened(base, other)), logits(opened(base, adapter)))


def test_patterns_are_read_by_the_names_of_their_time(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], make: Callable[..., Any]
) -> None:
    adapter = make(alpha_pattern={r"model\.language_model\.layers\.0\.self_attn\.q_proj": 32})
    old = copied(
        adapter,
        "old",
        lambda k: k.replace(NEW, OLD),
        alpha_pattern={r"model\.layers\.0\.self_attn\.q_proj": 32},
        target_modules=r"^model\.layers\..*\.(q_proj|v_proj)$",
    )
    assert torch.equal(logits(opened(base, old)), logits(opened(base, adapter)))


def test_a_byte_order_mark_is_no_part_of_the_configuration(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], make: Callable[..., Any]
) -> None:
    adapter = make()
    marked = copied(adapter, "marked")
    path = marked / "adapter_config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert torch.equal(logits(opened(base, marked)), logits(opened(base, adapter)))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"peft_type": "FANCY"}, "peft_type 'FANCY'"),
        ({"peft_type": "IA3"}, "peft_type 'IA3'"),
        ({"peft_type": None}, "peft_type None"),
        ({"r": None}, "no valid r,"),
        ({"lora_alpha": None}, "no valid lora_alpha"),
        ({"init_lora_weights": "pissa_niter_4"}, "also changes the base's weights"),
        ({"some_future_option": {"x": 1}, "peft_version": "9.9"}, "some_future_option"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_true_reason(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path],
    make: Callable[..., Any],
    config: dict[str, Any],
    said: str,
) -> None:
    other = copied(make(), "other", **config)
    with pytest.raises(ModelError, match=said) as refused:
        opened(base, other)
    assert refused.value.remedy


def test_values_that_are_no_numbers_are_named(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], make: Callable[..., Any]
) -> None:
    adapter = make()
    path = adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    first = sorted(tensors)[0]
    tensors[first].view(-1)[0] = float("nan")
    save_file(tensors, path)
    with pytest.raises(ModelError, match="NaN or infinite") as refused:
        opened(base, adapter)
    assert first in refused.value.what


def test_layers_that_the_model_does_not_have_are_named(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], make: Callable[..., Any]
) -> None:
    other = copied(make(), "other", lambda k: k.replace("layers.0.", "layers.7."))
    with pytest.raises(ModelError, match=r"layers\.7\.self_attn"):
        opened(base, other)


def test_tensors_of_another_size_and_half_an_adapter_are_refused(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], make: Callable[..., Any]
) -> None:
    wide = copied(make(), "wide")
    path = wide / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({k: torch.cat([v, v], dim=-1) if "lora_A" in k else v for k, v in tensors.items()}, path)
    with pytest.raises(ModelError, match="does not fit"):
        opened(base, wide)
    half = copied(make("again"), "half")
    save_file({k: v for k, v in tensors.items() if "lora_A" in k}, half / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="do not fit"):
        opened(base, half)


def test_biases_of_an_adapter_are_not_served_beside_their_base(
    random_checkpoint: Path, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from saec.settings import CloudConfig

    adapter = make(bias="lora_only")
    config = CloudConfig(model=str(random_checkpoint), device="cpu", dtype="float32", side_px=112)
    with pytest.raises(ModelError, match="biases of the base"):
        ServedModel.load(config, {"one": adapter})


def test_weights_of_a_checkpoint_that_are_no_numbers_are_named(
    base: tuple[type[Qwen2_5_VLForConditionalGeneration], Path], tmp_path: Path
) -> None:
    kind, folder = base
    shutil.copytree(folder, tmp_path / "damaged")
    path = tmp_path / "damaged" / "model.safetensors"
    tensors = load_file(path)
    name = next(k for k in sorted(tensors) if k.endswith("down_proj.weight"))
    tensors[name].view(-1)[5] = float("inf")
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="NaN or infinite"):
        load_model(kind, tmp_path / "damaged", {}, CPU, torch.float32)
