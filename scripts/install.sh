#!/bin/sh
# Install SAEC and what its researchers need (research/) into a virtual environment, in the versions of
# constraints.txt.
#
#   scripts/install.sh VENV EXTRAS        for example: scripts/install.sh .venv fit,cloud
#
# On Linux the torch of PyPI brings several gigabytes of CUDA libraries. Where no GPU is used the CPU build
# serves: it is asked for by its own name, first from the indexes that pip is set up with, then from
# PyTorch's. With it installed nothing else asks for another torch. SAEC_TORCH=default takes PyPI's.
set -eu

venv=$1
extras=$2
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")/.." && pwd)

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $python is older than Python 3.11" >&2
    echo "remedy: install Python 3.11 and name it: make PYTHON=python3.11 ..." >&2
    exit 2
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"

torch=$(sed -n 's/^torch==//p' "$here/constraints.txt")
if [ "$(uname -s)" = Linux ] && [ "${SAEC_TORCH:-cpu}" = cpu ]; then
    $pip install --quiet "torch==$torch+cpu" 2>/dev/null ||
        $pip install --quiet "torch==$torch+cpu" --extra-index-url https://download.pytorch.org/whl/cpu
fi
$pip install --quiet --constraint "$here/constraints.txt" --editable "$here[$extras]" --editable "$here/research"
