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
# a shell (a container's) that forbids compiled files would have each process compile torch and Airflow anew: seconds each
export PYTHONDONTWRITEBYTECODE :=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

env: system $(VENV)/.installed models ## environment, system packages and verified Whisper weights (seconds when done before)

system: ## apt packages: installed when allowed to, else the command is printed
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; install Python 3.11, or name it: make PYTHON=/path/to/python3.11 env" >&2; exit 2; }
	@APT="$(APT)" PYTHON="$(PYTHON)" bash tools/system.sh

test-tools: ## what only tests need: a headless Chromium (HTML twin), qpdf (PDF files), SoftHSM (a PKCS#11 token)
	@APT="chromium-headless-shell qpdf softhsm2" PYTHON="$(PYTHON)" bash tools/system.sh

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

test: env test-tools ## everything the tests need, then the tests
	@$(PY) -m pytest -n 2 --dist loadscope --no-loadscope-reorder

soak: env ## the tests that take long: parts of a stack killed and started again, a backfill of 200 recordings (8 minutes)
	@$(PY) -m pytest tests/soak

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

RUNS ?= 16
N    ?= 10000

bench-faults: env ## kill, damage and confuse a running job, RUNS=n times in turn (45 s a run)
	@PYTHONPATH=. $(PY) -W ignore -m bench.faults --runs $(RUNS) $(ARGS)

bench-intake: env ## a listing of a million keys; seconds from a drop to its run (three stacks in turn, 6 minutes)
	@PYTHONPATH=. $(PY) -W ignore bench/listing.py
	@PYTHONPATH=. $(PY) -W ignore bench/intake.py $(ARGS)

bench-scale: env ## a job of N=10000 recordings with a fake engine: CPU seconds and memory of the pipeline itself
	@PYTHONPATH=. $(PY) -W ignore -m bench.scale --recordings $(N) $(ARGS)

bench-celery: env ## two Celery workers and a Redis (apt: redis-server), one worker killed in the middle of its tasks
	@PYTHONPATH=. $(PY) -W ignore -m bench.celery_run $(ARGS)

bench-report: env ## seconds and memory of a report: calls of 10 and 70 minutes (3 minutes)
	@PYTHONPATH=. $(PY) -W ignore bench/report.py

bench-case: env ## CPU seconds, pages and memory of a case report: 2, 40 and 200 recordings
	@PYTHONPATH=. $(PY) -W ignore bench/case_report.py

bench-analysis: env ## CPU seconds and memory of an analysis: calls of 10 and 70 minutes, one core
	@PYTHONPATH=. $(PY) -W ignore bench/analysis.py $(ARGS)

bench-evidence: env ## what a link of the custody ledger, an attestation and a head cost; PostgreSQL alone is started
	@PYTHONPATH=. $(PY) -W ignore -m bench.evidence $(ARGS)

bench-tampering: env ## RUNS=1000 random changes of ledgers, bundles and PDFs; the verifier must refuse all (2 minutes)
	@PYTHONPATH=. $(PY) -W ignore -m bench.tampering --runs $(if $(filter-out file,$(origin RUNS)),$(RUNS),1000) $(ARGS)

bench-service: env ## files per hour: models loaded for each batch against the resident service
	@PYTHONPATH=. $(PY) -W ignore bench/service.py $(ARGS)

eval: env ## accuracy on labelled data: make eval DATA=dir OUT=file.json
	@test -n "$(DATA)" || { echo "Name the data: make eval DATA=dir OUT=file.json" >&2; exit 2; }
	@PYTHONPATH=. $(PY) -W ignore -m eval --data "$(DATA)" $(if $(OUT),--out "$(OUT)") $(ARGS)

eval-redaction: env ## recall and precision of redaction on the committed sentences
	@PYTHONPATH=. $(PY) -W ignore -m eval.redaction $(ARGS)

train: env ## a model from labelled data: make train DATA=dir OUT=dir; dialogues make a language model (without both: the one that ships), speech (manifest.tsv) an emotion model
	@PYTHONPATH=. $(PY) -W ignore -m include.forensic.$(if $(wildcard $(DATA)/manifest.tsv),emotion_train,train) $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)")

samples: env ## make the sample calls again (needs flite)
	@PYTHONPATH=. $(PY) samples/make_samples.py

pictures: env ## draw the pictures of sample reports in docs/pictures/ again (apt: poppler-utils)
	@PYTHONPATH=. $(PY) tools/pictures.py

case-picture: env ## draw docs/pictures/case_report.png from made-up calls
	@PYTHONPATH=. $(PY) -W ignore tools/case_picture.py

schemas: env ## export the JSON Schemas to docs/schemas/
	@./voiceman schemas docs/schemas

.PHONY: help env system test-tools soak models demo test lint lock lock-check bench bench-intake bench-faults bench-scale bench-celery bench-report bench-case bench-analysis bench-evidence bench-tampering bench-service eval eval-redaction train samples pictures case-picture schemas
