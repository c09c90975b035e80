#!/usr/bin/env bash
# Make the venv in which anomalib is measured: benchmarks/anomalib_env.sh DIR
#
# anomalib needs torchvision, which saec's own environment does without, so it gets a venv of its own.
# From the public index pip takes torch with CUDA, several GB; a CPU suffices:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu benchmarks/anomalib_env.sh DIR
set -euo pipefail
venv=${1:?usage: anomalib_env.sh DIR}
python3.11 -m venv "$venv"
"$venv/bin/pip" install \
  "anomalib[openvino]==2.7.0" \
  "openvino==2026.4.1" \
  "timm==1.0.31"
"$venv/bin/python" -c "import anomalib; print('anomalib', anomalib.__version__, 'is ready')"
