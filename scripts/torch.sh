#!/bin/sh
# Install torch into a virtual environment, in the version of constraints.txt.
#
#   scripts/torch.sh VENV
#
# On Linux the torch of PyPI brings several gigabytes of CUDA libraries. Where no GPU is used the CPU build
# serves: it is asked for by its own name, first from the indexes that pip is set up with, then from
# PyTorch's. With it installed nothing else asks for another torch. SAEC_TORCH=default takes PyPI's.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
pip="$1/bin/python -m pip --disable-pip-version-check"
torch=$(sed -n 's/^torch==//p' "$here/constraints.txt")
if [ "$(uname -s)" = Linux ] && [ "${SAEC_TORCH:-cpu}" = cpu ]; then
    $pip install --quiet "torch==$torch+cpu" 2>/dev/null ||
        $pip install --quiet "torch==$torch+cpu" --extra-index-url https://download.pytorch.org/whl/cpu
fi
