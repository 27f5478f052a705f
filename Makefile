# VoiceMan on Airflow. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV   ?= .venv
PY     := $(VENV)/bin/python
TOOLS  := .tools
UV     := $(TOOLS)/bin/uv
PYTHON ?= python3.11
APT    := ffmpeg libavcodec-extra libopencore-amrnb0 libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-nanum poppler-utils
AUDIO  ?= samples

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

env: system $(VENV)/.installed models ## environment, system packages and verified Whisper weights (seconds when done before)

system: ## apt packages: installed when allowed to, else the command is printed
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; install Python 3.11, or name it: make PYTHON=/path/to/python3.11 env" >&2; exit 2; }
	@APT="$(APT)" PYTHON="$(PYTHON)" bash tools/system.sh

$(UV): | system
	@$(PYTHON) -m venv $(TOOLS) && $(TOOLS)/bin/pip install -q --disable-pip-version-check uv==0.13.9

$(VENV)/.installed: requirements-dev.txt | $(UV)
	@test -x $(PY) || $(UV) venv -q --python $(PYTHON) $(VENV)
	@echo "Installing $$(grep -c '==' requirements-dev.txt) locked packages into $(VENV) ..."
	@$(UV) pip sync -q --python $(PY) --require-hashes requirements-dev.txt
	@touch $@

models: $(VENV)/.installed ## lay out Whisper base and check its digest
	@./voiceman models

demo: env ## the main job from nothing: stack, drop, transcripts, PDF reports (AUDIO=dir for your own files)
	@bash tools/demo.sh "$(AUDIO)"

test: env ## everything the tests need, then the tests
	@$(PY) -m pytest

lint: env lock-check ## ruff, mypy --strict, lock not stale
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/mypy

lock: $(UV) ## compile requirements*.in to hash-locked requirements*.txt
	@UV=$(UV) bash tools/lock.sh write

lock-check: $(UV) ## fail when a lock does not fit its .in file
	@UV=$(UV) bash tools/lock.sh check

bench: env ## benchmarks; figures beside a baseline measured in the same run
	@PYTHONPATH=. $(PY) -W ignore bench/pipeline.py

eval: env ## accuracy on labelled data: make eval DATA=dir OUT=file.json
	@test -n "$(DATA)" || { echo "Name the data: make eval DATA=dir OUT=file.json" >&2; exit 2; }
	@PYTHONPATH=. $(PY) -W ignore eval/speech.py --data "$(DATA)" $(if $(OUT),--out "$(OUT)")

samples: env ## make the sample calls again (needs flite)
	@PYTHONPATH=. $(PY) samples/make_samples.py

schemas: env ## export the JSON Schemas to docs/schemas/
	@./voiceman schemas docs/schemas

.PHONY: help env system models demo test lint lock lock-check bench eval samples schemas
