#!/bin/sh
# Build the wheels of both distributions, install them into clean environments and use them there.
#
#   scripts/smoke.sh FOLDER PYTHON...     for example: scripts/smoke.sh runs/smoke python3.11 python3.13
#
# FOLDER is made anew. Each Python gets two environments: the line's, which has no torch, and that of whoever
# fits. The line judges with what the other has fitted, and both must give the same labels. SAEC_DEMO=1 runs
# `saec demo` too, a few minutes for each Python. SAEC_TORCH is as in scripts/torch.sh.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
out=$1
shift
[ $# -gt 0 ] || { echo "error: name a Python at least" >&2; exit 2; }
rm -rf "$out"
mkdir -p "$out/wheels" "$out/source"
out=$(cd "$out" && pwd)
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
unset PYTHONPATH

install() {
    venv=$1
    shift
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet \
        --constraint "$here/constraints.txt" "$@"
    "$venv/bin/python" -m pip --disable-pip-version-check check
}

labels() {
    "$1" -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert rows and all(row["label"] in (0, 1) for row in rows), rows
print([(row["id"], row["label"]) for row in rows])' "$2/verdicts.jsonl"
}

# A build leaves its own files beside the sources, so it gets a copy of them.
(cd "$here" && tar cf - pyproject.toml README.md LICENSE src research) | (cd "$out/source" && tar xf -)
for project in "$out/source" "$out/source/research"; do
    "$1" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$out/wheels" "$project"
done
saec=$(ls "$out"/wheels/saec-*.whl)
research=$(ls "$out"/wheels/saec_research-*.whl)

cd "$out"
for python in "$@"; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    line=$out/line-$version fit=$out/fit-$version work=$out/work-$version
    mkdir "$work"

    "$python" -m venv "$line"
    install "$line" "$saec"
    "$line/bin/saec" --help >/dev/null
    "$line/bin/python" -c '
import importlib.util, sys, saec
assert importlib.util.find_spec("torch") is None and importlib.util.find_spec("saec_research") is None'
    if "$line/bin/saec" bench frontier 2>"$work/hint"; then exit 1; fi
    grep -q "pip install saec-research" "$work/hint"

    "$python" -m venv "$fit"
    sh "$here/scripts/torch.sh" "$fit"
    install "$fit" "$saec[fit]"
    "$fit/bin/saec" --help >/dev/null
    "$fit/bin/saec" data procedural --family gear --out "$work/gear" --n-train 24 --n-good 4 --n-defect 4 \
        --n-train-defect 4 --difficulty 0 >/dev/null
    "$fit/bin/saec" fit "$work/gear" --out "$work/gear-line" --side-px 224 >/dev/null
    for side in fit line; do
        "$out/$side-$version/bin/saec" inspect "$work/gear" --line "$work/gear-line" --out "$work/$side" >/dev/null
        labels "$python" "$work/$side" >"$work/$side.labels"
    done
    cmp "$work/fit.labels" "$work/line.labels"

    install "$fit" "$saec" "$research"
    "$fit/bin/saec" baseline --help >/dev/null
    "$fit/bin/saec" bench --help >/dev/null
    "$fit/bin/saec" inspect "$work/gear" --line "$work/gear-line" --cloud small --out "$work/asked" >/dev/null
    labels "$python" "$work/asked" >/dev/null
    [ "${SAEC_DEMO:-0}" = 0 ] || "$fit/bin/saec" demo --out "$work/demo"
    echo "Python $version: the line's environment, the one that fits, and the research distribution work"
done
