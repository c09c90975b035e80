#!/bin/sh
# Runs the numeric tests again as on older CPUs: test_isa.sh BIN, the folder with python and pytest.
# Sums in another order differ in their last digits; a test whose tolerance is from one CPU fails here.
set -eu
bin=$1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

numeric() {
    echo "numeric tests with $*"
    env "$@" "$bin/pytest" -m numeric -n 2 --dist loadfile
}

dispatched=$("$bin/python" -c '
from numpy._core import _multiarray_umath as m
print(" ".join(name for name in m.__cpu_dispatch__ if m.__cpu_features__[name]))')
numeric ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 NPY_DISABLE_CPU_FEATURES="$dispatched"

# torch takes the variable's word for it that the CPU has AVX2.
case $("$bin/python" -c 'import torch; print(torch.backends.cpu.get_cpu_capability())') in
    AVX2 | AVX512) numeric ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 ;;
    *) echo "this CPU has no AVX2: the tests above are those that it runs anyway" ;;
esac
