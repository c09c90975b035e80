"""saec under a clock that is wrong by the seconds in a file: ``faults_clock.py FILE station --config ...``.

The file holds one double. It is mapped, so a step is heeded at the next look at the clock. Only
``time.time`` is wrong, as after a step of the system's clock; clocks that cannot be set go on.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time


def main() -> int:
    with open(sys.argv[1], "r+b") as file:  # noqa: PTH123
        offset = mmap.mmap(file.fileno(), 8)
    true = time.time

    def stepped() -> float:
        return true() + float(struct.unpack("d", offset[:])[0])

    time.time = stepped
    from saec.cli import main as saec  # only now: default arguments are read at import

    return saec(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
