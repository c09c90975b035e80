"""The list of a service's models as it comes over the wire; ours tells more of each than others."""

from __future__ import annotations

from typing import Any

import msgspec

from saec.decoding import convert
from saec.settings import ModelCard


class SaecFields(ModelCard, frozen=True, kw_only=True):
    """What our own service tells of a model: how to ask it, and the hash of its weights."""

    weights_hash: str = ""


class ListedModel(msgspec.Struct, frozen=True):
    """One model of the list."""

    id: str
    saec: SaecFields | None = None

    @property
    def weights(self) -> str:
        """The hash of its weights; "" where the service does not tell it."""
        return "" if self.saec is None else self.saec.weights_hash


class _Models(msgspec.Struct, frozen=True):
    data: list[ListedModel]


def listed_models(plain: Any) -> list[ListedModel]:
    """The models of a decoded answer to GET models.

    Raises:
        msgspec.ValidationError: it is no such list.
    """
    return convert(plain, _Models).data
