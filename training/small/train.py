"""Train the small checkpoint on procedural images alone. Time-bounded; see README.md for the command."""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from architecture import PROMPT, SIDE, export, new_model
from augment import augment
from fast import Fast, make_layout
from losses import IGNORE, TAIL, DenseHeads, Layouts, Losses, Objective
from safetensors.torch import load_file, save_file
from source import FRAMES, Source, training_families
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration

from saec.cloud.chat import END, explain_text, scoring_text

CHUNK = 32
"""Groups that go to the device at a time."""
HEADS = Path("training", "dense_heads.safetensors")
"""Beside the checkpoint and no part of it."""


def parse(argv: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json, made by make_tokenizer.py")
    p.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    p.add_argument("--init", type=Path, help="checkpoint of an earlier run to go on from (weights only)")
    p.add_argument("--minutes", type=float, default=9.0, help="in all, start-up and compiling included")
    p.add_argument("--groups", type=int, default=128, help="groups per step and device")
    p.add_argument("--pool", type=int, default=60_000, help="groups kept on each device")
    p.add_argument("--first", type=int, default=2_000, help="groups to wait for before the first step")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--warmup", type=int, default=400, help="steps")
    p.add_argument("--save-every", type=float, default=2.0, help="minutes between saves")
    p.add_argument("--report", type=int, default=100, help="print every so many steps")
    p.add_argument("--seed", type=int, default=2026)
    p.add_argument("--eager", action="store_true", help="do not compile")
    return p.parse_args(argv)


class Pool:
    """The latest groups, on the device; a thread keeps them coming.

    Args:
        capacity: number of groups.
        tokenizer: for the answers.
        device: where they are kept.
    """

    def __init__(self, capacity: int, tokenizer: Tokenizer, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self._device, self._tokenizer = device, tokenizer
        self._arrays = _arrays(capacity, device, pinned=False)
        self._staged = _arrays(CHUNK, torch.device("cpu"), pinned=pinned)
        self._stream = torch.cuda.Stream(device) if pinned else None
        self.capacity, self.seen = capacity, 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def feed(self, source: Source) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._feed, args=(source,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """n random groups: images, masks and ids of the answers; none that is being replaced."""
        seen = self.seen
        start = max(0, seen + CHUNK - self.capacity)
        index = torch.randint(start, seen, (n,), generator=generator, device=self._device) % self.capacity
        images, masks, words = (a[index] for a in self._arrays)
        return images, masks, words.long()

    def _feed(self, source: Source) -> None:
        while not self._stop.is_set():
            at = self.seen % self.capacity
            room = min(CHUNK, self.capacity - at)
            images, masks, words = (a[:room] for a in self._staged)
            answers = source.take(images.numpy(), masks.numpy())
            if not answers:
                continue
            n = len(answers)
            words[:n] = torch.tensor([self._ids(a) for a in answers], dtype=torch.int16)
            with torch.cuda.stream(self._stream):
                for kept, staged in zip(self._arrays, self._staged, strict=True):
                    kept[at : at + n].copy_(staged[:n], non_blocking=True)
            if self._stream is not None:
                self._stream.synchronize()
            self.seen += n

    def _ids(self, answers: tuple[str, str]) -> list[list[int]]:
        found = self._tokenizer.encode_batch([a + END for a in answers], add_special_tokens=False)
        return [[*e.ids[:TAIL], *[IGNORE] * (TAIL - len(e.ids))] for e in found]


def _arrays(n: int, device: torch.device, *, pinned: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Room for the images, the masks and the words of n groups."""
    return (
        torch.empty((n, FRAMES, SIDE, SIDE, 3), dtype=torch.uint8, device=device, pin_memory=pinned),
        torch.empty((n, 2, SIDE, SIDE), dtype=torch.uint8, device=device, pin_memory=pinned),
        torch.empty((n, 2, TAIL), dtype=torch.int16, device=device, pin_memory=pinned),
    )


class Average:
    """Exponential moving average of parameters; what is exported."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], decay: float) -> None:
        self.live, self.decay, self.steps = list(parameters), decay, 0
        self.mean = [p.detach().clone() for p in self.live]

    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self.live], 1 - decay)


class Run:
    """One training run on one device of perhaps several."""

    def __init__(self, args: argparse.Namespace, rank: int, world: int) -> None:
        self.args, self.rank, self.world = args, rank, world
        self.device = torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")
        self.tokenizer = Tokenizer.from_file(str(args.tokenizer))
        self.model, self.heads = self._models()
        self.parameters = [*self.model.parameters(), *self.heads.parameters()]
        self.average = Average(self.parameters, 0.999)
        decayed = [p for p in self.parameters if p.ndim > 1]
        plain = [p for p in self.parameters if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
            lr=args.lr,
            betas=(0.9, 0.98),
            fused=self.device.type == "cuda",
        )
        self.objective = self._objective()
        self.generator = torch.Generator(self.device).manual_seed(args.seed + rank)
        self.log: list[dict[str, Any]] = []

    def _models(self) -> tuple[Qwen2_5_VLForConditionalGeneration, DenseHeads]:
        model, heads = new_model(self.tokenizer, self.args.seed), DenseHeads()
        if self.args.init is not None:
            model = Qwen2_5_VLForConditionalGeneration.from_pretrained(self.args.init, dtype=torch.float32)
            heads.load_state_dict(load_file(self.args.init / HEADS))
        return model.to(self.device), heads.to(self.device)

    def _objective(self) -> Objective:
        fast = Fast(self.model, self.device, compiled=not self.args.eager)
        layouts = Layouts(
            *(
                make_layout(self.model, self._ids(text(PROMPT, n)), tail, self.device)
                for text, tail in ((scoring_text, 0), (explain_text, TAIL))
                for n in (1, 0)
            )
        )
        good, defect = (self._ids(scoring_text(PROMPT, 0) + label)[-1] for label in PROMPT.labels)
        return Objective(fast, self.heads, layouts, (good, defect), worded=max(2, self.args.groups // 4))

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def train(self, source: Source) -> None:
        """Steps until the time is up; the rendered groups stream into the pool all the while."""
        pool = Pool(self.args.pool, self.tokenizer, self.device)
        pool.feed(source)
        while pool.seen < self.args.first:
            time.sleep(0.2)
        print(f"rank {self.rank}: {pool.seen} groups after {time.perf_counter() - START:.0f} s", flush=True)
        self._step(pool, 0, 0.0)  # compiles
        begin, saved = time.perf_counter(), time.perf_counter()
        step, done = 0, self._progress()
        while done < 1.0:
            losses = self._step(pool, step, done)
            step += 1
            if self.world == 1 or step % 20 == 0:
                done = self._progress()
            if step % self.args.report == 0:
                self._report(losses, step, pool, time.perf_counter() - begin)
            if time.perf_counter() - saved > 60 * self.args.save_every:
                self.save()
                saved = time.perf_counter()
        pool.close()

    def _progress(self) -> float:
        """Share of the time that has gone, the same on every rank."""
        share = (time.perf_counter() - START) / (60 * self.args.minutes)
        if self.world == 1:
            return share
        shared = torch.tensor(share, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)

    def _step(self, pool: Pool, step: int, done: float) -> Losses:
        groups, g = self.args.groups, self.generator
        images, defects, words = pool.draw(groups, g)
        x, masks = augment(images, defects, self.objective.worded, g)
        pick = torch.randint(0, 2, (groups, 4), generator=g, device=self.device)
        half = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            losses = self.objective(x.bfloat16() if half else x, masks, words, pick)
        losses.total().backward()
        self._share_gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        warm = min(1.0, (step + 1) / self.args.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update()
        return losses

    def _share_gradients(self) -> None:
        if self.world == 1:
            return
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        for g, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            g.copy_(part.view_as(g))

    def _report(self, losses: Losses, step: int, pool: Pool, seconds: float) -> None:
        names = ("label", "token", "patch", "words", "correct")
        row = {n: round(float(getattr(losses, n).detach()), 4) for n in names}
        pairs = round(step * self.args.groups * 4 * self.world / seconds)
        self.log.append(
            {"step": step, "seconds": round(seconds, 1), **row, "pairs_per_s": pairs, "pool": pool.seen}
        )
        if self.rank == 0:
            print(json.dumps(self.log[-1]), flush=True)

    def save(self) -> None:
        """Export the averaged weights, the heads (for going on) and the log; the first rank alone."""
        if self.rank > 0:
            return
        model, heads = copy.deepcopy(self.model), copy.deepcopy(self.heads)
        for p, mean in zip([*model.parameters(), *heads.parameters()], self.average.mean, strict=True):
            p.data.copy_(mean)
        export(model.cpu(), self.tokenizer, self.args.out)
        beside = self.args.out / HEADS
        beside.parent.mkdir(exist_ok=True)
        save_file({k: v.cpu().contiguous() for k, v in heads.state_dict().items()}, beside)
        beside.with_name("log.json").write_text(json.dumps(self.log))


START = time.perf_counter()


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    torch.backends.cuda.matmul.allow_tf32 = True
    torch._dynamo.config.recompile_limit = 64
    source = Source(training_families(), max(1, args.workers // world), args.seed + 1000 * rank)
    try:
        if world > 1:
            torch.cuda.set_device(rank)
            dist.init_process_group("nccl")
        run = Run(args, rank, world)
        run.train(source)
        run.save()
    finally:
        source.close()
        if dist.is_initialized():
            dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
