"""Images for the examples: a data set of drawn keypads, made once. Name your own data set instead.

python examples/first_verdict.py                     # on drawn keypads, in runs/examples
python examples/first_verdict.py mvtec/bottle        # on yours
"""

from __future__ import annotations

import sys
from pathlib import Path

from saec.data.procedural import write_dataset
from saec.settings import DrawingConfig

WORK = Path("runs/examples")


def data_set() -> Path:
    """The data set that the command names, or the drawn one."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else drawn()


def drawn() -> Path:
    """The drawn data set."""
    folder = WORK / "keypads"
    if not folder.exists():
        write_dataset(
            folder,
            "keypad",
            DrawingConfig(seed=7, n_train=40, n_train_defect=16, n_good=16, n_defect=16, size_px=192),
        )
    return folder
