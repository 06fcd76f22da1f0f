# Two commands on a fresh machine: `make training` and `make test`. All state lies in .quality_gate/ and .venv/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
HOME_FOLDER := $(or $(QUALITY_GATE_HOME),$(CURDIR)/.quality_gate)
READY := $(HOME_FOLDER)/.ready

export PATH := $(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

.PHONY: help install training recipe batch nightly test test-slow coverage bench serving-image training-image \
  training-docker lint format lock clean

help: ## show every target with its line
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

training: $(READY) ## train on the demo photos and show what the gate says
	@result=0; zenml pipeline run training || result=$$?; quality-gate status; \
	  echo "  commands in your shell  source $(VENV)/bin/activate"; exit $$result

# The gate that is meant; where photos to be answered lie, and when they are; for those who do not know ZenML.
NAME ?= visual_quality_gate
SOURCE ?=
EVERY ?= daily at 02:00
RECIPES := $(sort $(basename $(notdir $(wildcard pipelines/recipes/*.yaml))))

recipe: $(READY) ## train a recipe on the photos in data/NAME: make recipe NAME=refunds
	@test -f "pipelines/recipes/$(NAME).yaml" \
	  || { echo "Error: there is no recipe '$(NAME)'; name one with NAME=, of: $(RECIPES)." >&2; exit 1; }
	@result=0; zenml pipeline run training --config "pipelines/recipes/$(NAME).yaml" || result=$$?; \
	  quality-gate status --name "$(NAME)" 2> /dev/null || true; exit $$result

batch: $(READY) ## answer the photos of a folder: make batch SOURCE=FOLDER NAME=refunds
	@test -n "$(SOURCE)" || { echo "Error: SOURCE is missing; name a folder of photos, or inbox, with SOURCE=." >&2; exit 1; }
	@folder=$$(mktemp --directory); trap 'rm -r "$$folder"' EXIT; $(batch_settings) > "$$folder/batch.yaml"; \
	  zenml pipeline run batch_prediction --config "$$folder/batch.yaml"

nightly: $(READY) ## answer what lies in the inbox, or SOURCE, every night: make nightly NAME=refunds
	@quality-gate status --name "$(NAME)" > /dev/null
	@case "$(SOURCE)" in ""|inbox|*://*) ;; *) test -d "$(SOURCE)" \
	  || { echo "Error: SOURCE: $(SOURCE) is no folder; name a folder of photos, or leave it out for the inbox." >&2; exit 1; };; esac
	@mkdir -p "$(HOME_FOLDER)/nightly"; $(batch_settings) > "$(HOME_FOLDER)/nightly/$(NAME).yaml"
	@quality-gate schedule install batch_prediction --every "$(EVERY)" --as "$(NAME)_nightly" \
	  --config "$(HOME_FOLDER)/nightly/$(NAME).yaml"

# JSON is YAML, and quotes whatever a name holds.
batch_settings = python -c 'import json, sys; print(json.dumps({"parameters": dict(zip(["name", "source"], sys.argv[1:]))}))' \
  "$(NAME)" "$(or $(SOURCE),inbox)"

test: $(VENV)/.dev $(READY) ## run the quick tests, on up to four processors at once
	@pytest -m "not slow" -n auto --maxprocesses 4

test-slow: $(VENV)/.dev $(READY) ## run simulations, load, kill loops, containers and real photos, two at once
	@pytest -m slow -n auto --maxprocesses 2

coverage: $(VENV)/.dev $(READY) ## run the quick tests and show which lines of quality_gate they leave out
	@pytest -m "not slow" --cov

# Where the photos of the README's figures and the notebook they are measured against lie.
PHOTOS ?= ../shared/data/produce
PEER ?= ../shared/reference/seed_notebook.py
SERVING_PEER ?= ../shared/reference/flask_app.py

bench: $(VENV)/.dev $(READY) ## measure every speed claim: make bench PHOTOS=FOLDER PEER=SCRIPT
	@python -m benchmarks.notebook --photos "$(PHOTOS)" --peer "$(PEER)"
	@python -m benchmarks.audit --photos "$(PHOTOS)"
	@python -m benchmarks.cached_run --photos "$(PHOTOS)"
	@python -m benchmarks.prediction_log
	@python -m benchmarks.serving --bento cached_run:latest --peer "$(SERVING_PEER)" --photos "$(PHOTOS)"
	@python -m benchmarks.database_away --bento cached_run:latest
	@python -m benchmarks.batch_prediction --photos "$(PHOTOS)"

# What images stand on; the Bento is the newest of the gate NAME.
BASE_IMAGE ?= python:$(or $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'),3.11)-slim

serving-image: $(READY) ## put the newest Bento into an image: make serving-image NAME=my_gate
	@python infra/docker/serving_image.py "$(NAME)" --base-image "$(BASE_IMAGE)"

training-image: $(READY) ## put the code and what it needs into an image in which steps run
	@python infra/docker/training_image.py --base-image "$(BASE_IMAGE)"

training-docker: training-image ## train as `make training` does, with every step in a container
	@export ZENML_ACTIVE_STACK_ID; ZENML_ACTIVE_STACK_ID=$$(python infra/stacks/register.py infra/stacks/docker.yaml); result=0; \
	  zenml pipeline run training || result=$$?; quality-gate status; exit $$result

lint: $(VENV)/.dev ## check format, style, types and import rules
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports

format: $(VENV)/.dev ## put the code into its standard form
	@ruff format .
	@ruff check --fix .

install: $(READY) ## install the locked dependencies and set up the local stack

lock: $(VENV)/.train ## resolve the dependencies anew into constraints.txt
	@uv pip compile --quiet --universal --python-version 3.11 pyproject.toml --all-extras --no-header --no-annotate \
	  --no-emit-package visual-quality-gate --upgrade | sed 's/ ;.*//' > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove the virtual environment and all state: photos, models, ledgers
	rm -rf $(VENV) $(HOME_FOLDER) .zen .zen-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis .coverage

$(VENV)/.python: | check-python
	@$(PYTHON) -m venv $(VENV)
	@pip install --quiet --disable-pip-version-check "$$(grep '^uv==' constraints.txt)"
	@touch $@

.PHONY: check-python
check-python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Error: Python 3.11, 3.12 or 3.13 is needed; name it with: make PYTHON=/path/to/python3.11"; exit 1; }

# uv knows nothing of pip's settings; a site's own package index is taken from there.
define install
	@echo "installing the locked dependencies ($(1)) ..."
	@index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$(pip config get global.index-url 2>/dev/null || true)}}"; \
	  $${index:+env UV_DEFAULT_INDEX="$$index"} uv pip install --quiet --python "$(BIN)/python" --constraint constraints.txt --editable ".[$(1)]"
	@touch $@
endef

$(VENV)/.train: $(VENV)/.python pyproject.toml constraints.txt
	$(call install,train)

$(VENV)/.dev: $(VENV)/.train
	$(call install,dev)

$(READY): $(VENV)/.train infra/stacks/local.py
	@echo "setting up ZenML and MLflow in $(HOME_FOLDER) ..."
	@python infra/stacks/local.py
	@touch $@
