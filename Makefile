# Each target makes the environment that it needs in $(VENV). `make help` lists the targets.

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTHONS ?= python3.11 python3.12 python3.13
BIN := $(VENV)/bin
DEV := $(VENV)/dev.installed
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo station lint format types imports test test-isa coverage acceptance docs bench smoke clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo.installed  ## run the main job on the embedded default, a few minutes
	$(BIN)/saec demo --out runs/demo --force

station: $(VENV)/station.installed  ## station, cloud's service and page on this machine, on a drawn product
	sh scripts/station.sh $(BIN) runs/station

lint: $(DEV)  ## style, types and floors of everything; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV)  ## mend what can be mended of the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV)  ## types alone
	$(BIN)/mypy

imports: $(DEV)  ## floors alone: who may import whom
	$(BIN)/lint-imports

test: lint $(VENV)-timm/timm.installed  ## lint and all tests that a machine without GPU and network can run in minutes
	$(ONE_THREAD) $(BIN)/pytest -n 3 --dist loadfile
	$(ONE_THREAD) $(VENV)-timm/bin/python -m pytest tests/edge/training/checkpoints/test_timm_backbone.py

test-isa: $(DEV)  ## the numeric tests again as on older CPUs, two or three minutes
	sh scripts/test_isa.sh $(BIN)

coverage: $(DEV)  ## the tests again, with lines and branches run of each room; fails below the floors
	$(ONE_THREAD) $(BIN)/pytest -n 2 --dist loadfile --timeout=600 --cov --cov-report=
	$(BIN)/python scripts/coverage_rooms.py

acceptance: $(DEV) $(VENV)-clients/clients.installed  ## the longer tests (browser, brokers, clients); says what it skipped and why
	SAEC_CLIENTS=$(VENV)-clients/bin/python $(ONE_THREAD) $(BIN)/pytest -m acceptance -rs --timeout=1200

docs: $(DEV)  ## write docs/settings.md and the tables of docs/data.md anew
	$(BIN)/python scripts/data_tables.py --write
	$(BIN)/python scripts/settings_page.py --write

smoke:  ## build both wheels; install and use them in clean environments of PYTHONS, ten minutes each
	sh scripts/smoke.sh runs/smoke $(PYTHONS)

bench: $(DEV)  ## the benchmarks that a CPU can run; writes docs/results. YOLO=FILE: a YOLO classifier, for its rows
	$(BIN)/python benchmarks/complexity.py
	$(BIN)/python benchmarks/procedural.py
	$(BIN)/python benchmarks/threshold.py
	$(BIN)/python benchmarks/risk.py
	$(BIN)/python benchmarks/budget.py
	$(BIN)/python benchmarks/simulator.py --frames 100000
	test -d runs/bench/gear || $(BIN)/saec data procedural --family gear --out runs/bench/gear \
	    --n-train 60 --n-good 24 --n-defect 24 --size-px 448
	$(BIN)/python benchmarks/edge.py --data runs/bench/gear
	$(BIN)/saec bench frontier --products 8 --cloud small --work runs/bench --out docs/results/frontier
	$(BIN)/saec bench paper --products 1 --seed 2025 --seed 2026 --cloud small $(if $(YOLO),--yolo $(YOLO)) \
	    --work runs/bench --out docs/results/paper

$(VENV)/demo.installed: pyproject.toml research/pyproject.toml constraints.txt scripts/install.sh scripts/torch.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" fit,cloud
	touch $@

$(VENV)/station.installed: pyproject.toml research/pyproject.toml constraints.txt scripts/install.sh scripts/torch.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" fit,service,station
	touch $@

$(VENV)/dev.installed: pyproject.toml research/pyproject.toml constraints.txt scripts/install.sh scripts/torch.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" dev
	touch $@

$(VENV)-timm/timm.installed: $(DEV) scripts/timm.sh
	sh scripts/timm.sh "$(VENV)-timm" "$(VENV)"
	touch $@

$(VENV)-clients/clients.installed: scripts/clients.txt scripts/clients.sh
	PYTHON="$(PYTHON)" sh scripts/clients.sh "$(VENV)-clients"
	touch $@

clean:  ## remove environments, runs, builds and caches
	rm -rf "$(VENV)" "$(VENV)-timm" "$(VENV)-clients" runs build dist src/*.egg-info research/src/*.egg-info \
	    .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*
