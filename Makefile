# make demo   install and run the main job on the embedded default
# make station  install, then station, cloud's service and page on this machine, on a drawn product
# make test   install and pass lint, types and tests
# make test-isa  the numeric tests again as on older CPUs, two or three minutes
# make acceptance  the longer tests (browser, brokers, clients, minutes); says what it skipped and why
# make smoke  build both wheels; install and use them in clean environments of PYTHONS, ten minutes each
# make bench  install and run the benchmarks that a CPU can run; writes docs/results. YOLO=FILE: a YOLO classifier, for its rows

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTHONS ?= python3.11 python3.12 python3.13
BIN := $(VENV)/bin

.PHONY: demo station test test-isa acceptance lint smoke bench clean

demo: $(VENV)/demo.installed
	$(BIN)/saec demo --force

station: $(VENV)/station.installed
	sh scripts/station.sh $(BIN) runs/station

test: lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-isa: $(VENV)/dev.installed
	sh scripts/test_isa.sh $(BIN)

acceptance: $(VENV)/dev.installed $(VENV)-clients/clients.installed
	SAEC_CLIENTS=$(VENV)-clients/bin/python \
	    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -m acceptance -rs --timeout=1200

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

smoke:
	sh scripts/smoke.sh runs/smoke $(PYTHONS)

bench: $(VENV)/dev.installed
	$(BIN)/python benchmarks/complexity.py
	$(BIN)/python benchmarks/procedural.py
	$(BIN)/python benchmarks/threshold.py
	$(BIN)/python benchmarks/risk.py
	$(BIN)/python benchmarks/budget.py
	$(BIN)/python benchmarks/simulator.py --frames 100000
	test -d runs/bench/gear || $(BIN)/saec data procedural --family gear --out runs/bench/gear \
	    --n-train 60 --n-good 24 --n-defect 24 --size 448
	$(BIN)/python benchmarks/edge.py --data runs/bench/gear
	$(BIN)/saec bench frontier --lines 8
	$(BIN)/saec bench paper --products 1 --seeds 2025,2026 --cloud small $(if $(YOLO),--yolo $(YOLO))

$(VENV)/demo.installed: pyproject.toml research/pyproject.toml constraints.txt scripts/install.sh scripts/torch.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" fit,cloud
	touch $@

$(VENV)/station.installed: pyproject.toml research/pyproject.toml constraints.txt scripts/install.sh scripts/torch.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" fit,service,station
	touch $@

$(VENV)/dev.installed: pyproject.toml research/pyproject.toml constraints.txt scripts/install.sh scripts/torch.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" dev
	touch $@

$(VENV)-clients/clients.installed: scripts/clients.txt scripts/clients.sh
	PYTHON="$(PYTHON)" sh scripts/clients.sh "$(VENV)-clients"
	touch $@

clean:
	rm -rf "$(VENV)" "$(VENV)-clients" runs build dist src/*.egg-info
