"""The training of the small checkpoint: its fast forward pass, its groups and its augmentation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from saec.cloud.engines.qwen import QwenEngine
from saec.cloud.questions.chat_template import explain_text, scoring_text
from saec.cloud.questions.image_patches import Preprocessing
from saec.data.procedural import HELD_OUT, draw_product
from saec.prompts import V1
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import noise
from tests.helpers_numeric import same_logits

if TYPE_CHECKING:
    from losses import Batch, DenseHeads, Objective
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLForConditionalGeneration

TRAINING = Path(__file__).parents[2] / "training" / "small"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(TRAINING))
    yield
    for path in TRAINING.glob("*.py"):
        sys.modules.pop(path.stem, None)


ANSWERS = 6
"""Tokens of the words in the tests of the forward pass."""


@pytest.mark.parametrize("references", [0, 1])
@pytest.mark.numeric
def test_the_fast_forward_pass_is_transformers_own(engine: QwenEngine, references: int) -> None:
    """Each branch of a tree has the numbers of the whole conversation."""
    from fast import Fast, make_tree

    model, how, side = engine.model, Preprocessing.read(SMALL), engine.side
    cpu, tokens_of = torch.device("cpu"), engine.core.tokens_of
    texts = [text(V1, references) for text in (scoring_text, explain_text)]
    asked, said = map(tokens_of, texts)
    fast = Fast(model, side, cpu)
    tree = make_tree(model, fast.geometry.side, asked, said, ANSWERS, cpu)
    images = [noise(i, side, side) for i in range(references + 2)]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    pixels = (pixels - torch.tensor(how.mean)[:, None, None]) / torch.tensor(how.std)[:, None, None]
    labels, answers = torch.tensor([[23, 24]]), torch.arange(40, 40 + ANSWERS).view(1, 1, -1)
    with torch.inference_mode():
        tokens = fast.see(pixels)[1]
        branch, words = fast.read(
            tree, tokens[:1] if references else None, tokens[None, references:], labels, answers
        )
        for text, frames, given, ours in (
            (texts[0], [images[references]], [23], branch[0, 0]),
            (texts[0], [images[references + 1]], [24], branch[0, 1]),
            (texts[1], [images[references + 1]], answers.flatten().tolist(), words[0, 0]),
        ):
            talk = engine.core.prepare(text, images[:references] + frames)
            talk = replace(talk, ids=(*talk.ids, *given))
            theirs = model.model(**engine.core.inputs([talk])).last_hidden_state[0]
            # Logits of the head, in which the bound is stated: what it is given has their error or less.
            head = model.lm_head.weight
            same_logits(engine.core, ours @ head.T, theirs[-len(ours) :] @ head.T)


def test_a_checkpoint_of_other_patches_sees_what_it_saw_when_it_is_grown(tmp_path: Path) -> None:
    from architecture import PATCH, SIDE, load_grown, make_config
    from fast import Fast
    from tokenizers import Tokenizer
    from torch.nn.functional import interpolate
    from transformers import Qwen2_5_VLForConditionalGeneration

    tokenizer = Tokenizer.from_file(str(SMALL / "tokenizer.json"))
    config = make_config(tokenizer)
    config.vision_config.patch_size, config.vision_config.window_size = 14, 168
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(tmp_path)
    old = Qwen2_5_VLForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    new = load_grown(tmp_path, tokenizer)
    coarse = torch.rand((1, 3, 3, 3), generator=torch.Generator().manual_seed(0))
    small, large = (
        interpolate(coarse, s, mode="bilinear", align_corners=False) for s in (SIDE, SIDE // PATCH * 14)
    )
    cpu = torch.device("cpu")
    with torch.inference_mode():
        ours, theirs = (Fast(m, x.shape[-1], cpu).see(x)[1] for m, x in ((new, small), (old, large)))
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).min() > 0.99


def test_a_groups_frames_differ_by_the_defect_alone() -> None:
    from source import draw_group

    group = draw_group(["fabric"], np.random.default_rng(3))
    good, clean1, bad1, clean2, bad2 = group.images
    for clean, bad, mask in ((clean1, bad1, group.masks[0]), (clean2, bad2, group.masks[1])):
        assert mask.any()
        assert np.array_equal(clean[mask == 0], bad[mask == 0])
        assert not np.array_equal(clean, bad)
    assert not np.array_equal(good, clean1)
    assert {s.kind for s in group.samples} <= {*draw_product("fabric", 0).kinds, "extra part", "asymmetry"}


def test_a_note_tells_the_kind_and_where_its_name_ends() -> None:
    from source import ALL_KINDS, IGNORE, TAIL, answer, note
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SMALL / "tokenizer.json"))
    sample = draw_product("circuit-board", 1).render(1, "misplaced part", 0.2, 96)
    kind, upto, *ids = note(sample, tokenizer).tolist()
    assert ALL_KINDS[kind] == "misplaced part"
    assert tokenizer.decode(ids[:upto]).startswith('{"kind": "misplaced part')
    assert "description" not in tokenizer.decode(ids[:upto])
    end = ids.index(IGNORE)
    assert tokenizer.decode(ids[:end]) == answer(sample)
    assert ids[end - 1] == tokenizer.token_to_id("<|im_end|>")
    assert ids[end:] == [IGNORE] * (TAIL - end)


def _groups(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Black frames whose defects are a white square each, with its mask."""
    from architecture import SIDE

    images = torch.zeros((n, 5, SIDE, SIDE, 3), dtype=torch.uint8)
    masks = torch.zeros((n, 2, SIDE, SIDE), dtype=torch.uint8)
    images[:, 2::2, 100:130, 60:90] = 255
    masks[:, :, 100:130, 60:90] = 1
    return images, masks


def test_augmentation_moves_the_mask_with_the_image() -> None:
    from augment import Augment

    images, masks = _groups(16)
    still = torch.zeros(16, dtype=torch.bool)
    x, moved, _ = Augment()(images, masks, still, 1.0, torch.Generator().manual_seed(0))
    bright = x[:, 2].mean(1) - x[:, 1].mean((1, 2, 3))[:, None, None] > 0.5
    inside = moved[:, 0] > 0.5
    agree = (bright & inside).flatten(1).sum(1) / (bright | inside).flatten(1).sum(1).clamp(min=1)
    assert float(agree.median()) > 0.9


def test_groups_that_stay_still_keep_their_places() -> None:
    from augment import Augment

    images, masks = _groups(8)
    still = torch.ones(8, dtype=torch.bool)
    _, moved, pasted = Augment()(images, masks, still, 1.0, torch.Generator().manual_seed(0))
    assert not pasted.any()
    overlap = (moved * masks).flatten(2).sum(2) / masks.flatten(2).sum(2)
    assert float(overlap.min()) > 0.4


def _objective(alone: int) -> tuple[Qwen2_5_VLForConditionalGeneration, DenseHeads, Objective]:
    from architecture import SIDE, new_model
    from fast import Fast, make_tree
    from losses import Answers, DenseHeads, Objective, Trees
    from source import TAIL
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SMALL / "tokenizer.json"))
    model, heads, cpu = new_model(tokenizer, 0), DenseHeads(), torch.device("cpu")
    fast = Fast(model, SIDE, cpu)
    texts = [
        [tokenizer.encode(text(V1, n), add_special_tokens=False).ids for text in (scoring_text, explain_text)]
        for n in (1, 0)
    ]
    trees = Trees(*(make_tree(model, fast.geometry.side, asked, said, TAIL, cpu) for asked, said in texts))
    return model, heads, Objective(fast, heads, trees, Answers(23, 24, 2), alone)


def _batch(n: int) -> Batch:
    from augment import Augment
    from losses import Batch
    from source import IGNORE, TAIL

    still = torch.arange(n) % 2 == 0
    x, masks, pasted = Augment()(*_groups(n), still, 1.0, torch.Generator().manual_seed(0))
    notes = torch.full((n, 2, 2 + TAIL), IGNORE)
    notes[..., 0], notes[..., 1], notes[..., 2:14] = 3, 8, 30
    return Batch(x, masks, notes, still, pasted)


def test_every_loss_is_finite_and_reaches_every_parameter() -> None:
    model, heads, objective = _objective(alone=1)
    losses = objective(_batch(3))
    assert torch.isfinite(losses.total())
    losses.total().backward()
    silent = [n for n, p in (*model.named_parameters(), *heads.named_parameters()) if p.grad is None]
    assert silent == []


def test_what_is_said_of_a_moved_frame_ends_with_the_kind() -> None:
    from losses import _truth
    from source import IGNORE

    _, _, objective = _objective(alone=0)
    batch = _batch(4)
    truth = _truth(batch, objective.fast.geometry)
    told = (truth.words != IGNORE).sum(-1)
    shows = batch.masks.flatten(2).sum(2) > 12
    shows[:, 1] &= ~batch.pasted
    assert told.tolist() == [[(12 if i % 2 == 0 else 8) * int(s) for s in row] for i, row in enumerate(shows)]
    assert set(truth.kind[:, ::2].flatten().tolist()) == {IGNORE}


def test_muon_makes_its_updates_orthogonal() -> None:
    from optimizer import Muon, orthogonal

    torch.manual_seed(0)
    wide = orthogonal(torch.randn(2, 16, 64))
    values = torch.linalg.svdvals(wide.float())
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.4
    p = torch.nn.Parameter(torch.zeros(48, 16))
    p.grad = torch.randn(48, 16)
    Muon([p], lr=0.01, weight_decay=0.0).step()
    # Queries, keys and values each on their own; the root mean square is 0.2 of the rate.
    for part in p.detach().split(16):
        assert 0.3 < float(part.square().mean().sqrt() / (0.01 * 0.2)) < 1.7


def test_the_shipped_tokenizer_writes_every_answer_within_the_tail() -> None:
    from source import TAIL, answer
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SMALL / "tokenizer.json"))
    product = draw_product("circuit-board", 1)
    for kind in product.kinds[:3]:
        ids = tokenizer.encode(answer(product.render(1, kind, 0.2, 96))).ids
        assert len(ids) < TAIL
        assert tokenizer.decode(ids).startswith('{"kind": "' + kind)


def test_training_never_draws_from_what_is_held_out() -> None:
    from source import training_families

    assert not set(training_families()) & set(HELD_OUT)
    assert len(training_families()) > len(HELD_OUT) >= 4
