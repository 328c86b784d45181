# One command each. Everything is installed into .venv, pinned by the lock files in requirements/.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?= 60
.DEFAULT_GOAL := help
.PHONY: help install demo test test-browser test-extras test-reference report kernels screenshots campaign chaos fuzz bench bench-page calibrate scale lint format layers synth lock audit clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.venv/run.stamp: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ionfleet needs Python 3.11 or later; %s is %s. Try: make PYTHON=python3.12 install" % (sys.executable, sys.version.split()[0]))'
	@echo "Creating .venv and installing the pinned packages (a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements/dev.txt
	@echo "Installing the tools for tests and lint"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv/audit.stamp: .venv/run.stamp requirements/audit.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

.venv/kernels.stamp: .venv/run.stamp requirements/kernels.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/kernels.txt
	@touch $@

.venv/fuzz.stamp: .venv/dev.stamp requirements/fuzz.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	@touch $@

.venv/extras.stamp: .venv/dev.stamp requirements/extras.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/extras.txt
	@touch $@

install: .venv/run.stamp ## create .venv with the `ionfleet` command in it
	@echo "Installed: $(BIN)/ionfleet"

demo: install ## simulate a dataset, annotate it, show the annotations
	@rm -rf demo && mkdir demo
	@echo "Simulating a dataset in demo/"
	@$(BIN)/ionfleet simulate demo --name tissue --preset demo --optical
	@$(BIN)/ionfleet run demo/tissue.imzML --out demo/results

# A process for each core; the tests of a file share what they start, so they stay together.
PARALLEL := -n auto --dist loadfile
# What these tests import is installed by `make test-extras` alone.
WITHOUT_EXTRAS := --ignore tests/extras

test: .venv/dev.stamp ## all tests that need nothing from elsewhere
	@$(BIN)/python -m pytest $(PARALLEL) $(WITHOUT_EXTRAS) -m "not reference and not layers and not campaign and not extras" tests

test-browser: .venv/dev.stamp ## the tests of the page, which `make test` leaves out where there is no Chromium
	@IONFLEET_BROWSER=required $(BIN)/python -m pytest -m browser tests/browser

report: ## build the page into the package, from report/ (needs Node.js)
	@cd report && npm ci --silent && npm run --silent check && npm run --silent build

kernels: .venv/kernels.stamp ## compile the kernels into the package, from kernels/, for all platforms
	@$(BIN)/python kernels/build.py

screenshots: .venv/dev.stamp ## take the pictures of the documents from the page of the demo (needs Chromium)
	@$(BIN)/python bench/screenshots.py --results demo/results --out docs/images

campaign: .venv/dev.stamp ## the long tests: every grant taken out by a run, a hundred datasets at once, 200 seeds of faults
	@$(BIN)/python -m pytest $(PARALLEL) $(WITHOUT_EXTRAS) -m campaign --durations=0 tests

test-extras: .venv/extras.stamp ## the tests of what is optional: the Python client, the notebook, the converter of scoring models
	@$(BIN)/python -m pytest -m "extras and not reference" tests

test-reference: .venv/extras.stamp ## compare with METASPACE's numbers (needs the reference data beside the project)
	@$(BIN)/python -m pytest -m reference tests/reference

# Seeds from FIRST on; the table goes to build/chaos.md as well.
SEEDS ?= 1000
FIRST ?= 1

chaos: .venv/dev.stamp ## run a tiny dataset with the faults of SEEDS seeds (1000), check what each leaves
	@mkdir -p build
	@$(BIN)/python -m tests.chaos.campaign --seeds $(SEEDS) --first $(FIRST) --out build/chaos.md

fuzz: .venv/fuzz.stamp ## fuzz every reader of what others write (SECONDS=60 for each)
	@$(BIN)/python -m tests.fuzz.campaign --seconds $(SECONDS) --folder .fuzz
	@$(BIN)/python -m pytest -q --hypothesis-profile=deep tests/property/test_untrusted_inputs.py

# What leaves thousands of deleted files behind comes last: for a minute or so, ext4 makes others more slowly.
bench: install ## time the kernels, whole runs and the local cloud's objects, each beside its floor; compare estimates with what was used; show how costs grow
	@$(BIN)/python bench/kernels.py
	@$(BIN)/python bench/job.py
	@$(BIN)/python bench/large.py standard huge index doublings
	@$(BIN)/python bench/image.py
	@$(BIN)/python bench/objects.py

bench-page: .venv/dev.stamp ## open the page of 5,000 annotations of 500×500 pixels: time and memory (needs Chromium)
	@$(BIN)/python bench/page.py

scale: install ## simulate jobs of 2 GB to 1 TB in the cloud, and weigh the planner's cuts against others
	@$(BIN)/python bench/scale.py
	@$(BIN)/python bench/scale.py --in-turn
	@$(BIN)/python bench/cuts.py

calibrate: install ## measure what the stages use (some minutes), and fit the estimate's coefficients anew
	@$(BIN)/python bench/calibrate.py --write

lint: .venv/dev.stamp ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/dev.stamp ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

synth: install ## write the CloudFormation template to cdk.out/
	@$(BIN)/python app.py

layers: install ## fetch and strip the Lambda layers' packages (no Docker)
	@$(BIN)/python layers/build.py

lock: ## pin the dependencies anew
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --group dev pyproject.toml -c requirements/run.txt -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements/awscli.in -o requirements/awscli.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --group audit -c requirements/run.txt -c requirements/dev.txt -o requirements/audit.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements/fuzz.in -o requirements/fuzz.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --group kernels -o requirements/kernels.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --extra catboost --extra client --group extras pyproject.toml -c requirements/run.txt -c requirements/dev.txt -o requirements/extras.txt

audit: .venv/audit.stamp ## ask for known vulnerabilities of every locked package
	@$(BIN)/python audit/audit.py

clean: ## remove what was built, but not results
	@rm -rf .venv cdk.out layers/*/build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz
