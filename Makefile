# make demo: the whole job on a sandbox. make check: every check there is. Both set up everything they need in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON := $(shell for each in python3 python3.13 python3.12 python3.11; do \
	if command -v $$each >/dev/null && $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$each; break; fi; done)
BIN := .venv/bin
STAMP := .venv/.stamp

# make quick: the inner loop, under a minute. make package: the wheel, installed elsewhere and run.
.PHONY: demo check quick package format lint test coverage schemas docs crash-matrix race torn damage faults histories rolls interruptions forge constraints unmanaged mistakes guards bench lock clean

demo: $(STAMP)
	$(BIN)/smplan demo

check: lint package coverage

$(STAMP): .ci/constraints.txt pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "smplan needs Python 3.11 or newer; none was found" >&2; exit 1; fi
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .ci/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	$(BIN)/python -m pip check --quiet --disable-pip-version-check
	@touch $@

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pytest -n auto -q --hypothesis-profile quick tests/core tests/blueprint tests/guide tests/render tests/stores

package: $(STAMP)
	.ci/package $(PYTHON)

test: $(STAMP)
	$(BIN)/pytest -n auto --dist worksteal

# Every branch of what decides, runs and stores; nearly all of the rest.
coverage: $(STAMP)
	$(BIN)/coverage erase
	$(BIN)/pytest -n auto --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --include='smplan/core/*,smplan/engine/*,smplan/stores/*' --skip-covered --show-missing --fail-under=100
	$(BIN)/coverage report --omit='smplan/core/*,smplan/engine/*,smplan/stores/*' --skip-covered --fail-under=95

schemas: docs
	$(BIN)/smplan schema --write schemas

# The page is replaced only if it could be made.
docs: $(STAMP)
	$(BIN)/smplan kinds --markdown > docs/.kinds.md
	mv docs/.kinds.md docs/kinds.md
	$(BIN)/python -m tests.guide.rules_page

# Fault campaigns at full size (an hour or more for the matrices); `make check` runs a seeded slice of each. Each prints its
# figures and seeds, and exits with 1 on any violation. OPTIONS="--share 0.1 --seed 2" runs a tenth of a matrix; with
# "--record FILE" a matrix can be stopped and resumed.
OPTIONS :=
N := 10000

crash-matrix: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_crash_matrix $(OPTIONS)

faults: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_faults $(OPTIONS)

race: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_race $(OPTIONS)

torn: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_torn $(OPTIONS)

damage: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_damage $(OPTIONS)

histories: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_histories -n $(N) $(OPTIONS)

rolls: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_rolls $(OPTIONS)

# Every attribute of every kind on the serving path changed, viewers connected: what the plan predicts, and what they notice.
interruptions: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_interruptions $(OPTIONS)

# Plans forged with a digest that is right: what refuses each, and the calls that were made. OPTIONS="-n 500" samples.
forge: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_forge $(OPTIONS)

constraints: $(STAMP)
	$(BIN)/python -m tests.campaigns.run_constraints

# Every kind, and every member of its requests that its spec does not name: kept after an update of each field.
unmanaged: $(STAMP)
	$(BIN)/python -m tests.drivers.unmanaged

# Mistakes in blueprints, one by one and all in one file: found, placed, and gone after the fix that the hint asks for.
mistakes: $(STAMP)
	$(BIN)/pytest -q -s tests/blueprint/test_mistakes.py

# Every rule of the guide with its source, a blueprint that breaks it and one that keeps it.
guards: $(STAMP)
	$(BIN)/python -m tests.guide.guards

bench: $(STAMP)
	$(BIN)/python bench/engine.py
	$(BIN)/python bench/calls.py

# Writes the hashes of every package, for all supported Pythons, and no address of where they came from.
lock:
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --upgrade \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o .ci/constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
