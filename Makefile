# Two commands for newcomers: `make demo` and `make test`. Both set up everything they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
VIDEO  ?=

# Compiled modules make every start of ape 2 to 3 seconds faster, so keep them wherever the shell forbids them.
unexport PYTHONDONTWRITEBYTECODE
# ape-vyper and the tests look up `vyper` and `anvil` by name; ape's data stay inside the checkout.
export PATH := $(CURDIR)/scripts/_bin:$(CURDIR)/$(BIN):$(PATH)
export APE_DATA_FOLDER := $(CURDIR)/.ape
# A warning of ape's own settings at every start, without consequence.
export PYTHONWARNINGS := ignore:Field 'import_remapping'

.PHONY: help setup demo devnet test check test-client test-pythons test-contracts test-e2e test-sdk test-conformance mutants fuzz fuzz-network coverage gas sizes bench bench-stores bench-redemption bench-chain bench-fanout bench-load soak bench-import crash lock abi proto diagrams pictures plots clean

help:
	@printf '%s\n' \
	  'make demo [VIDEO=path.mp4]  the whole network on a local chain, with real video and real payments' \
	  'make devnet [ORCHESTRATORS=n]  a local network to develop against, until Ctrl-C' \
  'make test                   every check and every test' \
	  'make check                  formatting, lint, types, import layers, generated files' \
	  'make test-client test-contracts test-e2e test-sdk   the tests of one part' \
	  'make test-conformance       every rule has its tests, as far as the tests before recorded them' \
	  'make test-pythons           the client on every Python there is, with new and with old packages' \
	  'make setup                  only the set-up that the above do by themselves' \
	  'make bench                  tickets signed and validated, against the usual stack and a C loop' \
	  'make bench-stores           payments stored per second, with a commit each and with shared commits' \
	  'make bench-chain            a pool of 100 orchestrators read, against AsyncWeb3' \
	  'make bench-import           what importing the library costs' \
	  'make bench-fanout           100 orchestrators probed, against the official SDK; five minutes' \
	  'make bench-load             paid jobs per minute without a codec, and where the time of one goes' \
	  'make soak [MINUTES=n]       ten streams really transcoded: nothing lost, memory level, books equal' \
	  'make bench-redemption       1,000 winners redeemed, against one by one; about two minutes' \
	  'make fuzz [MINUTES=n] [SEED=s]  random histories of the contracts beside their model' \
  'make fuzz-network [MINUTES=n] [SEED=s]  hostile bytes for every reader of the wire' \
	  'make coverage               which lines of the contracts run; minutes' \
	  'make mutants [ONLY=K6]      every known bad rule brought back: a test must fail on each; minutes' \
	  'make crash                  a redeemer killed at every point of its work, over three seeds; some minutes' \
	  'make gas                    measure what transactions cost, and write the tables' \
	  'make sizes                  the size of every contract against the limit of 24,576 bytes' \
	  'make docs                   the documentation as a site, in .site/html' \
	  'make abi proto lock         regenerate the shipped ABIs, the wire messages, the lock files' \
	  'make diagrams               draw the diagrams in docs/ from the tables in the code' \
	  'make pictures               draw the board of the dashboard in docs/ from its scenario' \
	  'make plots                  draw the figures of the measurements in git, in docs/plots' \
  'make clean                  remove what was built; imported keys stay'

# --- set-up: skipped when nothing changed ---------------------------------------------------------
setup: $(VENV)/.ready node_modules/.ready

$(VENV)/.ready: requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@echo 'Setting up Python packages (once, about a minute) ...'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || \
	  { echo 'Python 3.11 (or 3.12) is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo 'Setting up the local chain ...'
	@npm ci --silent --no-audit --no-fund
	@touch $@

# Tools that cannot share an environment with Ape: each pins packages which Ape needs in other versions.
.tools/%/.ready: requirements/%.txt | $(VENV)/.ready
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/$*
	@$(BIN)/uv pip install --quiet --python .tools/$*/bin/python --require-hashes -r requirements/$*.txt
	@touch $@

# The official Python SDK, which tests and a benchmark run beside ours, wants a newer Python than Ape. A version manager's
# shim may be there without the version behind it, so each is tried.
SDK_PYTHON ?= $(shell for python in python3.13 python3.12 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[23]*/bin/python; do \
    if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 13)))' 2>/dev/null; \
    then command -v "$$python"; break; fi; done)

.tools/sdk/.ready: requirements/sdk.txt | $(VENV)/.ready
	@python='$(SDK_PYTHON)'; test -n "$$python" || \
	  { echo 'The official SDK needs a Python 3.12 or 3.13: make SDK_PYTHON=/path/to/python3.12 ...' >&2; exit 1; }; \
	$(BIN)/uv venv --quiet --clear --python "$$python" .tools/sdk
	@$(BIN)/uv pip install --quiet --python .tools/sdk/bin/python --require-hashes -r requirements/sdk.txt
	@touch $@

# --- what people run ------------------------------------------------------------------------------
demo: setup
	@$(BIN)/python -m scripts._demo $(if $(VIDEO),--video '$(VIDEO)')

ORCHESTRATORS ?= 2
devnet: setup
	@$(BIN)/python -m scripts._devnet --orchestrators $(ORCHESTRATORS)

# The conformance test reads what the suites before it recorded, so it comes last.
test: check
	@$(BIN)/python -m scripts._beside test-contracts test-e2e test-sdk -- test-client test-pythons
	@$(MAKE) --no-print-directory test-conformance

check: setup .tools/natrix/.ready .tools/mamushi/.ready .tools/docs/.ready
	@echo '--- format and lint'
	@$(BIN)/ruff format --check --quiet client scripts tests docs/examples
	@$(BIN)/ruff check --quiet client scripts tests docs/examples
	@echo '--- types'
	@$(BIN)/mypy
	@echo '--- import layers'
	@$(BIN)/lint-imports --no-logo
	@echo '--- generated wire messages'
	@$(BIN)/python -m scripts._proto --check
	@echo '--- contracts compile; the shipped ABIs are theirs'
	@$(BIN)/ape run export_abi --check
	@echo '--- contracts: compiler warnings, lint and layout (docs/static-analysis.md)'
	@$(BIN)/python -m scripts._analysis
	@echo '--- documentation: pages, links, references'
	@$(MAKE) --silent docs

# The official SDK where a Python for it is here; in CI it has to be.
test-client: setup $(if $(SDK_PYTHON)$(CI),.tools/sdk/.ready)
	@$(BIN)/python -m pytest -p no:ape_test --record client tests/client

# The same on every working Python that is here, with the newest of what Ape holds back.
test-pythons: setup
	@$(BIN)/python -m scripts._pythons --log $(if $(PYTHONS),--only $(PYTHONS))

test-contracts: setup
	@$(BIN)/ape test --record contracts tests/contracts

test-e2e: setup
	@$(BIN)/python -m pytest -p no:ape_test --record e2e tests/e2e

# Nodes of ours before the official SDK, which is skipped only where no Python for it is; in CI it has to be there.
test-sdk: setup $(if $(SDK_PYTHON)$(CI),.tools/sdk/.ready)
	@$(BIN)/python -m pytest -p no:ape_test --record sdk tests/sdk

test-conformance: setup
	@$(BIN)/python -m pytest -p no:ape_test tests/test_mutants.py tests/test_conformance.py

# Bring each bad rule back and see that a test fails on it: SUITE=contracts, ONLY=K6,I3.
mutants: setup
	@$(BIN)/python -m scripts._mutants $(if $(SUITE),--suite $(SUITE)) $(if $(ONLY),--only $(ONLY))

# --- generated files ------------------------------------------------------------------------------
abi: setup
	@$(BIN)/ape run export_abi

proto: setup
	@$(BIN)/python -m scripts._proto

diagrams: setup
	@$(BIN)/python -m scripts._diagrams

# The board in docs/, from a fixed scenario; a test compares.
pictures: setup
	@UPDATE_PICTURES=1 $(BIN)/python -m pytest -q -p no:ape_test tests/client/dash/test_pictures.py

plots: setup
	@$(BIN)/python -m scripts._plots

# As long as one likes, with a seed to repeat: make fuzz MINUTES=20 SEED=1
MINUTES ?= 5
fuzz: setup
	@$(BIN)/python -m scripts._fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Hostile bytes for every reader of the wire: make fuzz-network MINUTES=10 SEED=1
fuzz-network: setup
	@$(BIN)/python -m scripts._fuzz_network --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

coverage: setup
	@$(BIN)/python -m scripts._coverage

gas: setup
	@$(BIN)/python -m scripts._gas
	@$(BIN)/python -c 'from scripts._own_tests import use_own_tests; use_own_tests(); from tests.contracts.gas.governance import save; save()'

sizes: setup
	@$(BIN)/ape run sizes

bench: setup
	@$(BIN)/python tests/bench/tickets.py --save

bench-stores: setup
	@$(BIN)/python tests/bench/stores.py

bench-import: setup
	@$(BIN)/python tests/bench/imports.py

bench-chain: setup
	@$(BIN)/python tests/bench/chain_reads.py

bench-fanout: setup .tools/sdk/.ready
	@$(BIN)/python tests/bench/fanout.py --save

bench-load: setup
	@$(BIN)/python tests/bench/load.py --save

# make soak MINUTES=10: the samples of memory are written beside the other figures.
soak: setup
	@$(BIN)/python tests/bench/soak.py --minutes $(MINUTES) --save

bench-redemption: setup
	@$(BIN)/python tests/bench/redemption.py --save

# A redeemer killed at every point, over three seeds; `make test` does the first of them.
crash: setup
	@$(BIN)/python tests/crash/run.py

# The documentation as a site in .site/html; pages of docs/, of NatSpec and of docstrings.
docs: setup .tools/docs/.ready
	@$(BIN)/python -m scripts._site
	@NO_MKDOCS_2_WARNING=1 .tools/docs/bin/mkdocs build --quiet --config-file .site/mkdocs.yml
	@echo 'see .site/html/index.html'

# Hashes and versions; where a package comes from is not uv's default to write.
COMPILE := $(BIN)/uv pip compile --generate-hashes --no-annotate --no-header --quiet
lock: setup
	@$(COMPILE) pyproject.toml $(patsubst %,--extra %,media postgres web3 cli dash metrics) requirements/client.in --universal --python-version 3.11 --output-file requirements/client.txt
	@for tool in bootstrap natrix mamushi docs; do $(COMPILE) requirements/$$tool.in --python-version 3.11 --output-file requirements/$$tool.txt; done
	@$(COMPILE) requirements/sdk.in --python-version 3.12 --output-file requirements/sdk.txt
	@$(COMPILE) pyproject.toml --extra dev --python-version 3.11 --output-file requirements/dev.txt
	@npm install --package-lock-only --omit-lockfile-registry-resolved --silent

clean:
	@# Imported keys stay: Ape keeps them in its data folder.
	@test ! -d .ape || find .ape -mindepth 1 -maxdepth 1 ! -name accounts -exec rm -rf {} +
	@rm -rf .build .demo .devnet .pytest_cache .mypy_cache .ruff_cache build dist
