#!/bin/sh
# Station, cloud's service and page on this machine, on a drawn product and with the demonstration
# checkpoint: `make station`. Everything lies in FOLDER, and what is there is used again.
#
#   scripts/station.sh BIN FOLDER        BIN holds the command saec, as .venv/bin
set -eu

bin=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
line=lines/leather

if [ ! -f "$line/line.json" ]; then
    rm -rf images "$line"
    "$bin/saec" data procedural --family leather --n-train 0 --n-good 0 --n-defect 24 --difficulty 0.3 --out images/new
    "$bin/saec" data procedural --family leather --n-train 40 --n-train-defect 20 --out images/leather
    "$bin/saec" fit images/leather --out "$line" --side-px 224
fi

answers() {
    "$bin/python" -c "import urllib.request as u; u.urlopen('$1')" 2>/dev/null
}

for address in 127.0.0.1:8090 127.0.0.1:8100; do
    if answers "http://$address/health"; then
        echo "another program listens on $address: stop it first" >&2
        exit 1
    fi
done

"$bin/saec" cloud --model small --listen 127.0.0.1:8100 2>cloud.log &
cloud=$!
station=
trap 'kill $station $cloud 2>/dev/null || true; wait' EXIT
trap 'exit 130' INT TERM
until answers http://127.0.0.1:8100/ready; do
    kill -0 $cloud 2>/dev/null || { cat cloud.log >&2; exit 1; }
    sleep 0.5
done

if [ ! -f station.toml ]; then
    "$bin/saec" calibrate "$line" images/leather --cloud http://127.0.0.1:8100/v1 --cloud-model small
    "$bin/saec" station example >station.toml
fi
"$bin/saec" config check --config station.toml
"$bin/saec" station --config station.toml 2>station.log &
station=$!
until answers http://127.0.0.1:8090/ready; do
    kill -0 $station 2>/dev/null || { tail -n 5 station.log >&2; exit 1; }
    sleep 0.5
done
cat <<END

The station runs. Its page is http://127.0.0.1:8090/. Copy images into the folder $PWD/in, for example:

    cp $PWD/images/leather/test/hole/*.png $PWD/in/

docs/page.md shows what else to try, in ten minutes. images/new holds defects that the line has not seen.

END
if setup=$("$bin/saec" station people setup-code --config station.toml 2>/dev/null); then
    printf 'Make the first admin in a browser:\n\n    %s\n\n' "$setup"
fi
cat <<END
Ctrl-C ends both programs. The logs are $PWD/station.log and $PWD/cloud.log.
END
wait $station
