#!/bin/sh
# timm and its torchvision in a virtual environment over another one: what that has is there too.
#
#   scripts/timm.sh VENV OVER        `make test` makes .venv-timm over .venv
#
# It is an environment of its own because transformers prepares images otherwise wherever it finds torchvision.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
over=$(cd "$2" && pwd)
[ -x "$1/bin/python" ] || "$over/bin/python" -m venv "$1"
"$1/bin/python" - "$over" <<'END'
import pathlib, sys, sysconfig

version = f"python{sys.version_info.major}.{sys.version_info.minor}"
below = f"{sys.argv[1]}/lib/{version}/site-packages"
# addsitedir reads the .pth files there too, by which saec itself is found
pathlib.Path(sysconfig.get_path("purelib"), "over.pth").write_text(f"import site; site.addsitedir({below!r})\n")
END
# Both as they are, without what they ask for: the environment below has it.
"$1/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps \
    --constraint "$here/constraints.txt" timm torchvision
