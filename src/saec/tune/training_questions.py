"""From a sample to the tokens and patches that the model takes: by the very functions of judging."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from saec.cloud.engines.qwen_forward import QwenModel
from saec.cloud.questions.chat_template import scoring_text
from saec.cloud.questions.conversation import Prepared
from saec.cloud.questions.image_patches import fit_size, resized
from saec.data.images.pixels import read_image
from saec.errors import ConfigError
from saec.prompts import DEFAULT, PROMPTS, Prompt
from saec.reading_ahead import ahead
from saec.settings import ModelCard
from saec.tune.sample_order import references_of
from saec.tune.samples import TrainingSample
from saec.types import GOOD, Image


@dataclass(frozen=True, slots=True)
class Draw:
    """One question to come: about which sample, and the seed that draws its references."""

    sample: TrainingSample
    seed: tuple[int, ...]


class Questions:
    """Makes questions as ``saec.cloud.engines.qwen.QwenEngine`` does: the same text, sizes and resize.

    Args:
        core: the loaded model.
        card: the base's card: at which size and with which prompt it is asked.
        goods: images that may be references.
        references: number of them before each image.

    Raises:
        ConfigError: more references than the base takes, or a prompt that is not known.
    """

    def __init__(
        self, core: QwenModel, card: ModelCard, goods: Sequence[TrainingSample], references: int
    ) -> None:
        if card.max_references is not None and references > card.max_references:
            raise ConfigError(
                f"{references} references are too many: the base takes {card.max_references} at once",
                f"ask for at most {card.max_references} references",
            )
        self.core = core
        self.prompt = training_prompt(card)
        self._card = card
        self._goods = [s for s in goods if s.label == GOOD]
        self._references = references

    def prepare(self, draw: Draw) -> Prepared:
        """Read, decode and cut the images of one question."""
        shown = references_of(draw.sample, self._goods, self._references, draw.seed)
        images = [self._shown(read_image(s.image)) for s in (*shown, draw.sample)]
        return self.core.prepare(scoring_text(self.prompt, len(shown)), images)

    def prepared(self, draws: Iterable[Draw], *, threads: int, limit: int) -> Iterator[Prepared]:
        """Each question in order, at most ``limit`` of them made ahead by threads."""
        with ThreadPoolExecutor(threads) as pool:
            yield from ahead(pool, self.prepare, draws, limit)

    def _shown(self, image: Image) -> Image:
        height, width = image.shape[:2]
        size = fit_size(height, width, self._card.side, self.core.unit, square=self._card.square)
        return resized(image, size)


def training_prompt(card: ModelCard) -> Prompt:
    """The prompt with which a base is asked.

    Raises:
        ConfigError: its card names one that is not there.
    """
    version = card.prompt or DEFAULT.version
    if version not in PROMPTS:
        raise ConfigError(
            f"saec.json of the base names the prompt {version}, which this version of saec lacks",
            f"use one of {', '.join(PROMPTS)}",
        )
    return PROMPTS[version]
