# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help demo test up bench contract install models mic web lint types format lock clean

help:  ## This list.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install  ## Place a real SIP call to the receptionist and show it live.
	@$(BIN)/switchboard demo $(ARGS)

test: install models  ## Lint, types, all tests.
	@$(MAKE) --no-print-directory lint types
	@if pkg-config --exists portaudio-2.0 2>/dev/null; then $(MAKE) --no-print-directory mic; fi
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not alone" $(TESTS) $(ARGS) || [ $$? -eq 5 ]
	@$(BIN)/python -m pytest -m alone $(TESTS) $(ARGS) || [ $$? -eq 5 ]

up: install  ## Run exchange, providers and server until Ctrl-C; dial it with any softphone.
	@$(BIN)/switchboard up $(ARGS)

bench: install models  ## Measure latency, barge-in, memory and CPU on real SIP calls.
	@$(BIN)/python -m local.bench $(ARGS)

contract: install  ## What the bot relies on in LiveKit and its SIP bridge, against LIVEKIT_URL or the exchange.
	@$(BIN)/python -m pytest -m contract tests/test_contract.py tests/test_contract_calls.py tests/test_contract_trunks.py $(ARGS)

install: $(INSTALLED)  ## The virtual environment from the hash-locked list.

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Switchboard needs Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked packages (about a minute, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

models: install  ## Fetch and verify the speech models into the user's cache folder.
	@$(BIN)/python -m local.models

mic: $(INSTALLED)  ## The microphone extra, built against PortAudio.
	@$(BIN)/python -c 'import pyaudio' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mic.lock || { \
		echo "PyAudio is built against PortAudio: apt install portaudio19-dev gcc python3-dev, or brew install portaudio, then make mic again." >&2; exit 1; }

# npm's other packages are livekit-client's own; its built file already holds them.
web: web/vendor/livekit-client.umd.js  ## Fetch livekit-client, which the page for calls from a browser needs (npm).

web/vendor/livekit-client.umd.js: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "make web needs npm: apt install nodejs npm, or https://nodejs.org" >&2; exit 1; }
	@cd web && npm ci --silent --ignore-scripts --no-audit --no-fund
	@mkdir -p $(@D)
	@cp web/node_modules/livekit-client/LICENSE $(@D)/livekit-client.LICENSE
	@gzip -9 -n -c web/node_modules/livekit-client/dist/$(@F) > $@.gz
	@cp web/node_modules/livekit-client/dist/$(@F) $@

lint: install  ## Style.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types: install  ## Types.
	@$(BIN)/basedpyright --level error

format: install  ## Put the code into house style.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:  ## Resolve pyproject.toml again (needs uv).
	@uv pip compile pyproject.toml --extra local --extra whisper --extra postgres --extra dev $(LOCK) -o requirements.lock
	@echo 'PyAudio>=0.2.14' | uv pip compile - $(LOCK) -o requirements-mic.lock
	@uv pip compile pyproject.toml --extra postgres -c requirements.lock $(LOCK) -o docker/requirements.lock

LOCK := --quiet --no-header --universal --python-version 3.11 --generate-hashes --no-emit-index-url

clean:  ## Remove the environment and what runs left behind (not the models).
	@rm -rf .venv .switchboard .pytest_cache .ruff_cache *.egg-info web/node_modules web/vendor
