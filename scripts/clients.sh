#!/bin/sh
# Clients of OpenAI's API, for tests, in a virtual environment of their own: their versions are not ours.
#
#   scripts/clients.sh VENV        `make acceptance` makes .venv-clients; SAEC_CLIENTS names another's Python
#
# vLLM's benchmark client is that of `scripts/vllm/cpu.sh install VENV`; SAEC_VLLM_PYTHON=VENV/bin/python.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ -x "$1/bin/python" ] || "${PYTHON:-python3}" -m venv "$1"
"$1/bin/python" -m pip --disable-pip-version-check install --quiet --requirement "$here/clients.txt"
