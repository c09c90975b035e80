"""The model that is served: its base, its adapters, and what is computed for a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from saec.cloud.checkpoints.checkpoint_folder import (
    check_adapter,
    check_checkpoint,
    find_checkpoint,
    read_card,
    weights_hash,
)
from saec.cloud.engines.qwen import load_qwen
from saec.cloud.engines.qwen_forward import QwenModel, Wanted
from saec.cloud.fast.model import PrefixUse
from saec.cloud.questions.conversation import Prepared
from saec.errors import ConfigError, ModelError
from saec.prompts import DEFAULT
from saec.settings import CloudConfig, ModelCard


@dataclass(frozen=True, slots=True)
class BatchGroup:
    """What requests share in a batch.

    Attributes:
        adapter: None is the base.
        tokens: most tokens of an answer.
        endless: answers go on till then, though the model would end them.
    """

    adapter: str | None
    tokens: int
    endless: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ModelRequest:
    """One request to compute; ``wanted`` is what is asked of one next token."""

    talk: Prepared
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The answer to one request.

    Attributes:
        text: what was written.
        tokens: number of tokens that the answer took.
        ended: whether the model ended it itself.
        logprobs: (token's text, log-probability) of the next token; the token that was written comes first.
    """

    text: str
    tokens: int
    ended: bool
    logprobs: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A name under which the service answers: the base, or an adapter on it.

    Attributes:
        name: the model's name in requests.
        adapter: what the model knows the adapter as; None is the base.
        parent: name of the base, for an adapter.
        weights_hash: sha256 over its weight files, base included.
    """

    name: str
    adapter: str | None
    parent: str | None
    weights_hash: str


class ServedModel:
    """A loaded base with its adapters.

    Attributes:
        model: what computes.
        card: the card of the base; an adapter is trained as its base is.
        side: square root of the number of pixels at which an image is seen.
        entries: the models by their names, the base first.
    """

    def __init__(self, model: QwenModel, card: ModelCard, side: int, entries: Sequence[ModelEntry]) -> None:
        self.model, self.card, self.side = model, card, side
        self.entries = {entry.name: entry for entry in entries}

    @classmethod
    def load(cls, config: CloudConfig, adapters: Mapping[str, Path]) -> ServedModel:
        """Load a checkpoint and its adapters.

        Args:
            config: model, side, device and dtype.
            adapters: the folder of each, by its name.

        Raises:
            ConfigError: an adapter has the name of the model.
            ModelError: a checkpoint or an adapter that is missing, damaged or not served.
        """
        base = Path(config.model).resolve().name if Path(config.model).is_dir() else config.model
        if base in adapters:
            raise ConfigError(f"two models have the name {base}", "give each adapter a name of its own")
        folder = find_checkpoint(config.model)
        if check_checkpoint(folder) != "qwen2_5_vl":
            raise ModelError(
                f"{config.model} is not a Qwen2.5-VL model",
                "serve a Qwen2.5-VL model: LLaVA is only a baseline",
            )
        card = read_card(folder)
        folders = {f"adapter{i}": check_adapter(str(path)) for i, path in enumerate(adapters.values())}
        entries = [ModelEntry(base, None, None, weights_hash([folder]))]
        for name, (known, path) in zip(adapters, folders.items(), strict=True):
            entries.append(ModelEntry(name, known, base, weights_hash([folder, path])))
        model = load_qwen(config, folder, folders)
        _refuse_biases(model, dict(zip(folders, adapters, strict=True)))
        return cls(model, card, config.side_px or card.side, entries)

    def about(self, entry: ModelEntry) -> dict[str, Any]:
        """One model in the form of /v1/models; ``saec`` holds what our client needs to ask it rightly."""
        card = msgspec.structs.replace(
            self.card,
            side=self.side,
            unit=self.model.unit,
            prompt=self.card.prompt or DEFAULT.version,
        )
        return {
            "id": entry.name,
            "object": "model",
            "created": 0,
            "owned_by": "saec",
            "root": entry.name,
            "parent": entry.parent,
            "max_model_len": self.model.context,
            "saec": {"weights_hash": entry.weights_hash, **msgspec.to_builtins(card)},
        }

    def prefix_use(self) -> PrefixUse:
        """How often prefixes were found and computed."""
        return PrefixUse() if self.model.fast is None else self.model.fast.use

    def compute(self, group: BatchGroup, works: Sequence[ModelRequest]) -> list[ModelAnswer]:
        """The answers of a batch, in order; equal to those of each alone."""
        talks = [work.talk for work in works]
        if group.tokens == 1:
            found = self.model.next_tokens(talks, [work.wanted for work in works], adapter=group.adapter)
            return [self._next(tokens) for tokens in found]
        written = self.model.write(talks, tokens=group.tokens, adapter=group.adapter, endless=group.endless)
        return [ModelAnswer(w.text, w.tokens, w.ended) for w in written]

    def _next(self, tokens: Sequence[tuple[int, float]]) -> ModelAnswer:
        named = tuple((self.model.text_of(i), logprob) for i, logprob in tokens)
        return ModelAnswer(named[0][0], 1, False, named)


def _refuse_biases(model: QwenModel, names: Mapping[str, str]) -> None:
    """Raise ModelError for an adapter with biases: they take the place of the base's, which is served too."""
    for known, name in names.items():
        if model.model.peft_config[known].bias != "none":
            raise ModelError(
                f"adapter {name} changes biases of the base, so the base could no longer be asked",
                "merge it into the base with peft (merge_and_unload), and serve the merged checkpoint",
            )
