#!/bin/sh
# Install SAEC and what its researchers need (research/) into a virtual environment, in the versions of
# constraints.txt.
#
#   scripts/install.sh VENV EXTRAS        for example: scripts/install.sh .venv fit,cloud
#
# The torch is that of scripts/torch.sh.
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

sh "$here/scripts/torch.sh" "$venv"
$pip install --quiet --constraint "$here/constraints.txt" --editable "$here[$extras]" --editable "$here/research"
