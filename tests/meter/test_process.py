"""CPU time of a process and of what it started."""

import os
import subprocess
import sys

from saec.meter.process import ProcessTree


def test_cpu_time_counts_children_that_have_ended() -> None:
    tree = ProcessTree(os.getpid())
    before = tree.cpu_seconds()
    work = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    # The kernel counts in hundredths, so a sum may fall short of what was used by some.
    assert tree.cpu_seconds() >= before + 0.2
