"""Learn the small checkpoint's tokenizer from the prompts and procedural answers."""

from __future__ import annotations

import argparse
from pathlib import Path

from source import answer
from tokenizer import build_tokenizer

from saec.data.procedural import FAMILIES, draw_product
from saec.errors import DataError


def answers(products: int) -> list[str]:
    """The answers to one small frame of each kind, of some products of each family."""
    found = []
    for family in sorted(FAMILIES):
        for seed in range(products):
            product = draw_product(family, seed)
            for kind in product.kinds:
                try:
                    found.append(answer(product.render(seed, kind, 0.2, 96)))
                except DataError:
                    continue  # this kind shows nowhere on this product
    return found


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--products", type=int, default=12, help="per family")
    args = p.parse_args(argv)
    texts = answers(args.products)
    tokenizer = build_tokenizer(texts)
    tokenizer.save(str(args.out))
    longest = max(len(tokenizer.encode(t).ids) for t in texts)
    print(f"{len(texts)} answers, {tokenizer.get_vocab_size()} tokens, longest answer {longest} tokens")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
