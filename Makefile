# charrnn: `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
NEWEST := .venv-newest
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-run
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_TEAM := $(VENV)/.installed-team
# The Python that `make bench-gpu-packages` is for, and the file that `make bench-gpu` writes.
BARE_PYTHON ?= 3.12
FIGURES ?= build/bench-gpu.json
# Relative: the path of this folder may have characters that an address has to escape.
TRACKING ?= sqlite:///mlruns/mlflow.db
PORT ?= 5000
PACKAGES := charrnn tasks flows benchmarks tests
# Three on two cores: a quarter of the time, tests wait for processes and servers.
PYTEST = @"$(BIN)/python" -m pytest --numprocesses 3 --dist worksteal

.PHONY: help run lint check test tests test-stack newest faults soak bench bench-long bench-gpu bench-gpu-packages ui server deploy docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  make run ARGS="--params params/smoke.yaml" passes arguments on to charrnn train'

run: $(INSTALLED)  ## train on Shakespeare, from nothing to a tracked, sampled model
	@"$(BIN)/charrnn" train $(ARGS)

test-stack: $(INSTALLED_TEAM)  ## the team's stack on a real PostgreSQL (ten minutes; needs its programs)
	@"$(BIN)/python" -m pytest tests/stack/test_stack.py --override-ini addopts= -v $(ARGS)

lint: $(INSTALLED_DEV)  ## ruff, mypy --strict, import-linter
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy" --strict $(PACKAGES)
	@"$(BIN)/lint-imports"

check: lint  ## lint, and the tests of the library: a minute or so, before a commit
	$(PYTEST) tests/charrnn $(ARGS)

test: lint tests  ## lint, and all tests: what CI checks, beside test-stack

tests: $(INSTALLED_DEV)
	$(PYTEST) --ignore tests/stack/test_stack.py $(ARGS)

newest:  ## the smoke pipeline and tests/tasks with the newest versions, which constraints-newest.txt then lists
	@"$(PYTHON)" -m venv --clear "$(NEWEST)"
	@"$(NEWEST)/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && "$(NEWEST)/bin/charrnn" train --params params/smoke.yaml \
		--set "data.directory=$$folder/data" --set "tracking.uri=sqlite:///$$folder/mlflow.db"
	@"$(NEWEST)/bin/python" -m pytest tests/tasks $(ARGS)
	@{ echo '# The newest versions that were tried: make newest writes them when its checks pass.'; \
		"$(NEWEST)/bin/python" -m pip freeze --exclude-editable; } > constraints-newest.txt

faults: $(INSTALLED_DEV)  ## ten times the faults that `make test` injects, with a table of what came of them
	@CHARRNN_FAULTS=10 "$(BIN)/python" -m pytest tests/faults $(ARGS)

soak: $(INSTALLED_TEAM)  ## an hour of faults on a team's stack, into docs/reliability.md (root for a full disk; ARGS="--minutes 3 --trainings 8")
	@"$(BIN)/python" -m tests.soak $(if $(ARGS),$(ARGS),--page)

bench: $(INSTALLED)  ## measure how fast it is (CORPUS=file, ROWS=4,8), into docs/performance.md
	@"$(BIN)/python" -m benchmarks --corpus "$(CORPUS)" --rows "$(ROWS)" $(ARGS)

bench-long: $(INSTALLED)  ## the same, with the row that takes three quarters of an hour
	@"$(BIN)/python" -m benchmarks --corpus "$(CORPUS)" --rows "$(ROWS)" --long $(ARGS)

bench-gpu: $(INSTALLED)  ## measure a GPU in nine minutes (CORPUS=file, FIGURES=file; ARGS="--device cpu --quick" rehearses)
	@"$(BIN)/python" -m benchmarks.gpu $(if $(CORPUS),--corpus "$(CORPUS)") --output "$(FIGURES)" $(ARGS)

bench-gpu-packages: $(INSTALLED)  ## what it needs where there is only PyTorch, into build/bench-gpu-packages/ (Linux)
	@rm -rf build/bench-gpu-packages
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --target build/bench-gpu-packages --no-compile \
		--no-deps --only-binary=:all: --implementation cp --python-version "$(BARE_PYTHON)" \
		--platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --constraint constraints.txt \
		pydantic pydantic-core annotated-types typing-extensions typing-inspection pyyaml safetensors psutil
	@du -sh build/bench-gpu-packages

ui: $(INSTALLED)  ## open the MLflow UI on 127.0.0.1 (PORT=5000)
	@MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false "$(BIN)/mlflow" ui --host 127.0.0.1 --port $(PORT) --backend-store-uri "$(TRACKING)"

server: $(INSTALLED)  ## Prefect, MLflow and a worker on 127.0.0.1, their data in server/
	@"$(BIN)/charrnn" server $(ARGS)

deploy: $(INSTALLED)  ## make the deployments of prefect.yaml on the server that `make server` started, or PREFECT_API_URL names
	@export PREFECT_API_URL="$${PREFECT_API_URL:-http://127.0.0.1:4200/api}"; \
	export no_proxy="$${no_proxy:-$$NO_PROXY},127.0.0.1,localhost"; \
	"$(BIN)/python" -m flows.deployed.automations || exit 2; \
	for pool in charrnn charrnn-sweeps; do \
		"$(BIN)/prefect" work-pool inspect $$pool >/dev/null 2>&1 \
			|| "$(BIN)/prefect" work-pool create $$pool --type process; \
	done; \
	"$(BIN)/prefect" --no-prompt deploy --all

docs: $(INSTALLED)  ## write params.yaml and docs/parameters.md from the schema
	@"$(BIN)/python" -m charrnn.config.reference

clean:  ## remove what runs made, nothing else of data/ (asks before mlruns/ goes)
	@if compgen -G 'data/outbox/*/*.json' >/dev/null; then \
		echo 'data/outbox/ holds what runs could not tell their tracking store yet; send it: $(BIN)/charrnn sync'; exit 1; \
	fi
	@rm -rf data/downloads data/corpora data/encoded data/checkpoints data/outbox data/prefect data/sweeps build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@if [ -d mlruns ]; then \
		read -r -p 'Remove mlruns/ with every run and model in it? [y/N] ' answer; \
		if [ "$$answer" = y ]; then rm -rf mlruns; else echo 'mlruns/ is kept.'; fi; \
	fi

# pip, not uv: uv does not see every index that pip is configured for.
$(VENV)/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "error: Python 3.11 to 3.13 is needed, $(PYTHON) is $$($(PYTHON) --version); try make PYTHON=python3.12" >&2; exit 2; }
	@"$(PYTHON)" -m venv "$(VENV)"

$(INSTALLED): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'Installing the locked dependencies into $(VENV)/ (once, a few minutes)' >&2
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch "$@"

$(INSTALLED_DEV): $(INSTALLED)
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,containers]'
	@touch "$@"

# All at once, where nothing is installed yet: what the other two are for is in it.
$(INSTALLED_TEAM): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'Installing the locked dependencies of everything into $(VENV)/ (once, a few minutes)' >&2
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,team,containers]'
	@touch "$(INSTALLED)" "$(INSTALLED_DEV)" "$@"
