"""Train the small checkpoint on procedural images alone. Time-bounded; see README.md for the command.

A run may go in phases, on other machines or another number of them: each covers a share of the schedule
(``--from``, ``--to``), and all but the first go on from the state of the one before (``--resume``).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from architecture import PROMPT, SIDE, export, load_grown, new_model
from augment import Augment
from fast import Fast, make_tree
from losses import Answers, Batch, DenseHeads, Losses, Objective, Trees
from optimizer import Muon
from safetensors.torch import load_file, save_file
from source import FRAMES, TAIL, Source, training_families
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration

from saec.cloud.questions.chat_template import END, explain_text, scoring_text

CHUNK = 32
"""Groups that go to the device at a time."""
HEADS = Path("training", "dense_heads.safetensors")
"""Beside the checkpoint and no part of it."""


def parse(argv: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json, made by make_tokenizer.py")
    p.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    p.add_argument("--init", type=Path, help="checkpoint to begin with (weights, and dense heads that fit)")
    p.add_argument("--state", type=Path, help="file for all that is needed to go on with this very run")
    p.add_argument("--resume", type=Path, help="such a file, to go on from")
    p.add_argument(
        "--minutes", type=float, default=9.0, help="of this phase, start-up and compiling included"
    )
    p.add_argument("--from", dest="start", type=float, default=0.0, help="share of the schedule done before")
    p.add_argument("--to", dest="end", type=float, default=1.0, help="share done after this phase")
    p.add_argument("--groups", type=int, default=96, help="groups per step and device")
    p.add_argument("--pool", type=int, default=24_000, help="groups kept on each device")
    p.add_argument("--first", type=int, default=400, help="groups to wait for before the first step")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="in all")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--warmup", type=int, default=300, help="steps; of a phase that resumes, 50 at most")
    p.add_argument("--average", type=float, default=0.998, help="decay of the averaged weights per step")
    p.add_argument("--alone", type=float, default=1 / 6, help="share of groups that see no reference")
    p.add_argument(
        "--calm", type=float, default=0.35, help="share of the augmentation that is left at the end"
    )
    p.add_argument("--save-every", type=float, default=2.0, help="minutes between saves")
    p.add_argument("--report", type=int, default=100, help="print every so many steps")
    p.add_argument("--seed", type=int, default=2026)
    p.add_argument("--eager", action="store_true", help="do not compile")
    return p.parse_args(argv)


class Pool:
    """The latest groups, on the device; a thread keeps them coming.

    Args:
        capacity: number of groups.
        device: where they are kept.
    """

    def __init__(self, capacity: int, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self._device = device
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
        """n random groups: images, masks and notes; none that is being replaced."""
        seen = self.seen
        start = max(0, seen + CHUNK - self.capacity)
        index = torch.randint(start, seen, (n,), generator=generator, device=self._device) % self.capacity
        images, masks, notes = (a[index] for a in self._arrays)
        return images, masks, notes.long()

    def _feed(self, source: Source) -> None:
        while not self._stop.is_set():
            at = self.seen % self.capacity
            room = min(CHUNK, self.capacity - at)
            images, masks, notes = (a[:room].numpy() for a in self._staged)
            n = source.take((images, masks, notes))
            with torch.cuda.stream(self._stream):
                for kept, staged in zip(self._arrays, self._staged, strict=True):
                    kept[at : at + n].copy_(staged[:n], non_blocking=True)
            if self._stream is not None:
                self._stream.synchronize()
            self.seen += n


def _arrays(n: int, device: torch.device, *, pinned: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Room for the images, the masks and the notes of n groups."""
    return (
        torch.empty((n, FRAMES, SIDE, SIDE, 3), dtype=torch.uint8, device=device, pin_memory=pinned),
        torch.empty((n, 2, SIDE, SIDE), dtype=torch.uint8, device=device, pin_memory=pinned),
        torch.empty((n, 2, 2 + TAIL), dtype=torch.int16, device=device, pin_memory=pinned),
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
        self.average = Average(self.parameters, args.average)
        self.optimizers = self._optimizers()
        compiled = not args.eager
        self.augment, self.objective = Augment(compiled), self._objective(compiled)
        self.generator = torch.Generator(self.device).manual_seed(args.seed + rank)
        self.log: list[dict[str, Any]] = []
        self.step, self.warm = 0, args.warmup
        self.begun, self.done = 0, args.start
        # The schedule runs from the first step on: no share of it goes by while all is compiled.
        self.ready: float | None = None
        if args.resume is not None:
            self._resume(args.resume)

    def _models(self) -> tuple[Qwen2_5_VLForConditionalGeneration, DenseHeads]:
        torch.manual_seed(self.args.seed)
        heads = DenseHeads()
        if self.args.init is None:
            model = new_model(self.tokenizer, self.args.seed)
        else:
            model = load_grown(self.args.init, self.tokenizer)
            beside, fresh = self.args.init / HEADS, heads.state_dict()
            old = load_file(beside) if beside.exists() else {}
            fits = {k: v for k, v in old.items() if k in fresh and v.shape == fresh[k].shape}
            heads.load_state_dict(fresh | fits)
        return model.to(self.device), heads.to(self.device)

    def _optimizers(self) -> tuple[Muon, torch.optim.AdamW]:
        """Matrices inside the network go to the one, everything else to the other."""
        inside = {p for n, p in self.model.named_parameters() if p.ndim == 2 and "embed" not in n}
        plain = [p for p in self.parameters if p not in inside]
        groups = [
            {"params": [p for p in plain if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in plain if p.ndim <= 1], "weight_decay": 0.0},
        ]
        fused = self.device.type == "cuda"
        return (
            Muon([p for p in self.parameters if p in inside], lr=self.args.lr, weight_decay=0.05),
            torch.optim.AdamW(groups, lr=self.args.lr, betas=(0.9, 0.98), fused=fused),
        )

    def _objective(self, compiled: bool) -> Objective:
        fast = Fast(self.model, SIDE, self.device, compiled)
        pair, alone = (
            make_tree(
                self.model,
                fast.geometry.side,
                self._ids(scoring_text(PROMPT, n)),
                self._ids(explain_text(PROMPT, n)),
                TAIL,
                self.device,
            )
            for n in (1, 0)
        )
        good, defect = (self._ids(scoring_text(PROMPT, 0) + label)[-1] for label in PROMPT.labels)
        answers = Answers(good, defect, self._ids(END)[0])
        share = round(self.args.alone * self.args.groups)
        return Objective(fast, self.heads, Trees(pair, alone), answers, share)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def train(self, source: Source) -> None:
        """Steps until the time is up; the rendered groups stream into the pool all the while."""
        pool = Pool(self.args.pool, self.device)
        pool.feed(source)
        while pool.seen < self.args.first:
            time.sleep(0.2)
        print(f"rank {self.rank}: {pool.seen} groups after {time.perf_counter() - START:.0f} s", flush=True)
        self._step(pool, self.done)  # compiles
        begin = saved = self.ready = time.perf_counter()
        first = self.step
        print(f"rank {self.rank}: first step after {begin - START:.0f} s", flush=True)
        while self.done < self.args.end:
            losses = self._step(pool, self.done)
            if self.world == 1 or self.device.type == "cpu" or self.step % 20 == 0:
                self.done = self._progress()
            if self.step % self.args.report == 0:
                self._report(losses, pool, begin, first)
            if time.perf_counter() - saved > 60 * self.args.save_every:
                self.save()
                saved = time.perf_counter()
        pool.close()
        total = float(sum(p.detach().double().abs().sum() for p in self.parameters))
        print(f"rank {self.rank}: {self.step} steps, weights {total:.9f}", flush=True)  # equal on all ranks

    def _progress(self) -> float:
        """Share of the schedule that has gone, the same on every rank."""
        start, end, last = self.args.start, self.args.end, START + 60 * self.args.minutes
        share: float = start
        if self.ready is not None:
            share += (end - start) * (time.perf_counter() - self.ready) / max(1.0, last - self.ready)
        if self.world == 1:
            return share
        shared = torch.tensor(share, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)

    def _step(self, pool: Pool, done: float) -> Losses:
        groups, g = self.args.groups, self.generator
        images, masks, notes = pool.draw(groups, g)
        still = torch.rand(groups, generator=g, device=self.device) < 0.5
        # Towards the end the frames are those that it will be asked about.
        amount = 1 - (1 - self.args.calm) * min(1.0, max(0.0, (done - 0.6) / 0.3))
        x, masks_, pasted = self.augment(images, masks, still, amount, g)
        half = self.device.type == "cuda"
        batch = Batch(x.bfloat16() if half else x, masks_, notes, still, pasted)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            losses = self.objective(batch)
        losses.total().backward()
        self._share_gradients()
        for p in self.parameters:
            if p.grad is not None:  # one bad number must not end a run that cannot be repeated
                torch.nan_to_num_(p.grad, 0.0, 0.0, 0.0)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        warm = min(1.0, (self.step - self.begun + 1) / self.warm)
        rate = self.args.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update()
        self.step += 1
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

    def _report(self, losses: Losses, pool: Pool, begin: float, first: int) -> None:
        row = losses.rounded()
        seconds = time.perf_counter() - begin
        pairs = round((self.step - first) * self.args.groups * 4 * self.world / seconds)
        memory = torch.cuda.max_memory_reserved() if self.device.type == "cuda" else 0
        row |= {"step": self.step, "seconds": round(seconds, 1), "pairs_per_s": pairs, "pool": pool.seen}
        row["done"] = round(self.done, 3)
        self.log.append(row | {"GiB": round(memory / 2**30, 1)})
        if self.rank == 0:
            print(json.dumps(self.log[-1]), flush=True)

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "heads": self.heads,
            "matrices": self.optimizers[0],
            "others": self.optimizers[1],
        }

    def _keep(self, path: Path) -> None:
        """All that is needed to go on."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        average = {"mean": self.average.mean, "steps": self.average.steps}
        rest = {"average": average, "step": self.step, "log": self.log}
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part")
        torch.save(state | rest, fresh)
        fresh.replace(path)

    def _resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        for mean, kept in zip(self.average.mean, state["average"]["mean"], strict=True):
            mean.copy_(kept)
        self.average.steps = state["average"]["steps"]
        self.step, self.log = state["step"], state["log"]
        self.begun, self.warm = self.step, min(50, self.warm)
        self.generator.manual_seed(self.args.seed + self.rank + 1000 * self.step)

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
        if self.args.state is not None:
            self._keep(self.args.state)


START = time.perf_counter()


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    torch.backends.cuda.matmul.allow_tf32 = True
    torch._dynamo.config.recompile_limit = 64
    # The thread that feeds the pool must not keep the steps waiting.
    sys.setswitchinterval(0.0005)
    workers = max(1, args.workers // world)
    source = Source(training_families(), args.tokenizer, workers, args.seed + 1000 * rank)
    try:
        if world > 1:
            _join(rank)
        run = Run(args, rank, world)
        run.train(source)
        run.save()
    finally:
        source.close()
    if world > 1:  # after a failure the others are not to be waited for
        dist.destroy_process_group()
    print(f"rank {rank}: ended after {time.perf_counter() - START:.0f} s", flush=True)
    return 0


def _join(rank: int) -> None:
    """Meet the other ranks; a rank that waits longer for another fails, and so early if they cannot talk."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(seconds=150))
    dist.all_reduce(torch.ones(1, device="cuda" if cuda else "cpu"))


if __name__ == "__main__":
    raise SystemExit(main())
