"""The training of the small checkpoint: its fast forward pass, its groups and its augmentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_cloud import noise

from saec.cloud.chat import scoring_text
from saec.cloud.checkpoint import SMALL
from saec.cloud.pixels import Preprocessing, patches
from saec.cloud.tokens import encode
from saec.data.procedural import HELD_OUT
from saec.prompts import V1

TRAINING = Path(__file__).parents[2] / "training" / "small"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    yield
    for path in TRAINING.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("references", [0, 1])
def test_the_fast_forward_pass_is_transformers_own(engine, references):
    from fast import Fast, make_layout

    model, how = engine.model, Preprocessing.read(SMALL)
    images = [noise(i) for i in range(2 * (references + 1))]
    cut = np.concatenate([patches(i, (224, 224), how)[0] for i in images])
    layout = make_layout(
        model, encode(engine.core.tokenizer, scoring_text(V1, references)), 0, torch.device("cpu")
    )
    ids = layout.ids.repeat(2, 1)
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    pixels = (pixels - torch.tensor(how.mean)[:, None, None]) / torch.tensor(how.std)[:, None, None]
    with torch.inference_mode():
        theirs = model.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == model.config.image_token_id).long(),
            image_grid_thw=torch.tensor([[1, 16, 16]] * len(images)),
            pixel_values=torch.from_numpy(cut),
        ).last_hidden_state
        fast = Fast(model, torch.device("cpu"))
        tokens = fast.see(pixels)[1].view(2, references + 1, 64, -1)
        ours = fast.read(layout, [tokens[:, i] for i in range(references + 1)])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_groups_frames_differ_by_the_defect_alone():
    from source import draw_group

    group = draw_group(["fabric"], np.random.default_rng(3))
    good, clean1, bad1, clean2, bad2 = group.images
    for clean, bad, mask in ((clean1, bad1, group.masks[0]), (clean2, bad2, group.masks[1])):
        assert mask.any()
        assert np.array_equal(clean[mask == 0], bad[mask == 0])
        assert not np.array_equal(clean, bad)
    assert not np.array_equal(good, clean1)
    assert [set(json.loads(a)) for a in group.answers] == [{"kind", "description"}] * 2


def _groups(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Black frames whose defects are a white square each, with its mask."""
    images = torch.zeros((n, 5, 224, 224, 3), dtype=torch.uint8)
    masks = torch.zeros((n, 2, 224, 224), dtype=torch.uint8)
    images[:, 2::2, 100:130, 60:90] = 255
    masks[:, :, 100:130, 60:90] = 1
    return images, masks


def test_augmentation_moves_the_mask_with_the_image():
    from augment import augment

    images, masks = _groups(16)
    x, moved = augment(images, masks, 0, torch.Generator().manual_seed(0))
    bright = x[:, 2].mean(1) - x[:, 1].mean((1, 2, 3))[:, None, None] > 0.5
    inside = moved[:, 0] > 0.5
    agree = (bright & inside).flatten(1).sum(1) / (bright | inside).flatten(1).sum(1).clamp(min=1)
    assert float(agree.median()) > 0.9


def test_groups_that_stay_still_keep_their_places():
    from augment import augment

    images, masks = _groups(8)
    _, moved = augment(images, masks, 8, torch.Generator().manual_seed(0))
    overlap = (moved * masks).flatten(2).sum(2) / masks.flatten(2).sum(2)
    assert float(overlap.min()) > 0.4


def test_every_loss_is_finite_and_reaches_every_parameter():
    from architecture import new_model
    from augment import augment
    from fast import Fast, make_layout
    from losses import TAIL, DenseHeads, Layouts, Objective
    from tokenizers import Tokenizer

    from saec.cloud.chat import explain_text

    tokenizer = Tokenizer.from_file(str(SMALL / "tokenizer.json"))
    model, heads = new_model(tokenizer, 0), DenseHeads()
    layouts = Layouts(
        *(
            make_layout(
                model, tokenizer.encode(text(V1, n), add_special_tokens=False).ids, tail, torch.device("cpu")
            )
            for text, tail in ((scoring_text, 0), (explain_text, TAIL))
            for n in (1, 0)
        )
    )
    objective = Objective(Fast(model, torch.device("cpu")), heads, layouts, (23, 24), worded=2)
    x, masks = augment(*_groups(2), 2, torch.Generator().manual_seed(0))
    losses = objective(x, masks, torch.full((2, 2, TAIL), 30), torch.zeros((2, 4), dtype=torch.long))
    assert torch.isfinite(losses.total())
    losses.total().backward()
    silent = [n for n, p in (*model.named_parameters(), *heads.named_parameters()) if p.grad is None]
    assert silent == []


def test_the_shipped_tokenizer_writes_every_answer_within_the_tail():
    from losses import TAIL
    from source import answer
    from tokenizers import Tokenizer

    from saec.data.procedural import draw_product

    tokenizer = Tokenizer.from_file(str(SMALL / "tokenizer.json"))
    product = draw_product("circuit-board", 1)
    for kind in product.kinds[:3]:
        ids = tokenizer.encode(answer(product.render(1, kind, 0.2, 96))).ids
        assert len(ids) < TAIL
        assert tokenizer.decode(ids).startswith('{"kind": "' + kind)


def test_training_never_draws_from_what_is_held_out():
    from source import training_families

    assert not set(training_families()) & set(HELD_OUT)
    assert len(training_families()) > len(HELD_OUT) >= 4
