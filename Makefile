# One word for each thing you do. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONFIG ?= etc/demo/lightspeed-stack.yaml
STAMP := $(VENV)/.developer
DEMO := $(VENV)/.demo
VENV_PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Some images set it: then each of the thousand processes of the tests compiles anew what it loads.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reference help run run-data-collector dev check lint format type test test-browser test-fuzz test-crash test-systemd soak bench docs vendor clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-zA-Z-]*:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get install -y -q python3-venv; } || { echo "python3-venv is needed: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(DEMO): $(BIN)/python setup.cfg setup.py
	$(VENV_PIP) --editable '.[demo]'
	@touch $@

$(STAMP): $(BIN)/python setup.cfg setup.py
	$(VENV_PIP) --editable '.[s3,test,lint,demo]'
	@touch $@ $(DEMO)

dev: $(STAMP) ## make .venv with everything a developer needs

run: $(DEMO) ## run stack, collector and a reference ingress here; Ctrl-C stops all
	@command -v curl >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get install -y -q curl; } || { echo "curl is needed: sudo apt-get install curl"; exit 1; }
	@sh etc/demo/hints & PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONUNBUFFERED=1 exec $(BIN)/honcho --app-root . --procfile etc/demo/Procfile start

run-data-collector: $(DEMO) ## run the collector every collection_interval (CONFIG=FILE)
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/lightspeed-stack --config $(CONFIG) --data-collector

check: lint type test ## all that must pass before a commit

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## ruff: rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## mypy --strict
	$(BIN)/mypy

test: $(STAMP) ## the fast suite (under 3 minutes), all that runs as any user
	$(BIN)/python -m pytest -n 6 --dist worksteal --ignore tests/systemd --ignore tests/browser

test-browser: $(STAMP) ## try the pages in Chromium (Debian: apt-get install chromium); pictures in var/screenshots
	$(BIN)/python -m pytest tests/browser

test-fuzz: $(STAMP) ## the tests of properties, with thousands of examples that are new each time
	$(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-profile fuzz --timeout 1200

test-crash: $(STAMP) ## kill a collector run at each of its state-changing system calls
	LIGHTSPEED_CRASH_STRIDE=1 $(BIN)/python -m pytest tests/crash -n auto --dist load

SECONDS ?= 1200
SEED ?=
soak: $(STAMP) ## faults and kill -9 of everything at random, then an audit (SECONDS=1200 SEED=...)
	$(BIN)/python -m tests.soak --seconds "$(SECONDS)" --seed "$(SEED)"

bench: $(STAMP) ## measure everything, into bench/RESULTS.md (half an hour of a quiet machine; needs wrk)
	@command -v wrk >/dev/null || { echo "wrk is needed: sudo apt-get install wrk"; exit 1; }
	$(BIN)/python -m bench.run

bench-%: $(STAMP) ## one of feedback, query, streams, idle, collector, scaling
	$(BIN)/python -m bench.run $*

reference: $(STAMP) ## write what follows from the configuration schemas
	$(BIN)/python docs/reference.py

DOCUMENTS := $(VENV)/.documents
PICTURES := chat.png feedback.png status.png phone.png

$(DOCUMENTS): $(BIN)/python setup.cfg setup.py
	$(VENV_PIP) --editable '.[docs]'
	@touch $@

docs: $(DOCUMENTS) ## build the documents as a site in ./site, with the pictures that make test-browser took
	@for name in $(PICTURES); do [ ! -f var/screenshots/$$name ] || cp var/screenshots/$$name docs/images/; done
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs/mkdocs.yml

MARKDOWN_IT ?= 15.0.3
VENDORED := lightspeed_stack/page/vendor

vendor: ## fetch the pages' Markdown library anew (MARKDOWN_IT=VERSION; needs npm and the network)
	@command -v npm >/dev/null || { echo "npm is needed: sudo apt-get install npm"; exit 1; }
	rm -rf build/vendor && mkdir -p build/vendor
	cd build/vendor && npm pack --silent markdown-it@$(MARKDOWN_IT) && tar -xzf markdown-it-$(MARKDOWN_IT).tgz
	sed '/^\/\/# sourceMappingURL=/d' build/vendor/package/dist/browser/markdown-it.esm.min.mjs > $(VENDORED)/markdown-it.js
	cp build/vendor/package/LICENSE $(VENDORED)/markdown-it.LICENSE
	@printf '%s\n' '# What the pages use of others' '' 'Fetched by `make vendor`.' '' \
		'markdown-it $(MARKDOWN_IT), MIT ([licence](markdown-it.LICENSE)): dist/browser/markdown-it.esm.min.mjs of' \
		'https://registry.npmjs.org/markdown-it/-/markdown-it-$(MARKDOWN_IT).tgz, without its last line (a source map).' '' \
		"    sha256 $$(sha256sum < $(VENDORED)/markdown-it.js | cut -d ' ' -f 1)" > $(VENDORED)/README.md

include systemd/install.mk

clean: ## remove what the targets above made, and ./var
	rm -rf $(VENV) var build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
