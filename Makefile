# Everything runs in .venv, which the first target to be called makes. It needs Python 3.11 or newer, and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= auto
# The slow tests and those of servers often wait, for programs to start and for tokens that are held.
SLOW_JOBS ?= 4
SERVER_JOBS ?= 4
# Tests and the programs that they start read compiled modules; without, each start takes seconds.
unexport PYTHONDONTWRITEBYTECODE
# Where the fake provider listens while it is asked whether it conforms.
CONFORMANCE_PORT ?= 8388
# And where its simulated model is, without the control API.
SIMULATION_PORT ?= 8389
ANY_MODEL := the fake provider answers for every model
# The library's web responses, as applications of each framework: what make conformance asks.
APPS := tests.conformance.pipelines
PIPELINES := "starlette_app:app --path /sse" "starlette_app:app --path /text" "flask_app:app --path /ndjson" \
	"django_app:wsgi --path /plain" "django_app:asgi --path /async"

.PHONY: help demo docs dist changelog sbom licences record test test-slow test-clients test-servers conformance lint types cov bench screenshots clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(READY) ## The main job in a terminal: a recorded stream with a callback, a follow-up, usage and the event
	@$(BIN)/python -m examples.demo

record: $(READY) ## Record cassettes/ again from a real model server, in an environment of its own (installs it)
	@$(BIN)/python -m tests.record cassettes

test: $(READY) ## Run the tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

test-slow: $(READY) ## Run the tests that start many programs or wait for real time, and those of laws with more examples
	$(BIN)/pytest -m "(slow or hypothesis) and not clients and not servers" --hypothesis-profile thorough \
		--timeout 600 -n $(SLOW_JOBS) --dist worksteal $(ARGS)

test-clients: $(READY) ## Run other clients against the fake provider, from environments of their own (installs them)
	@$(BIN)/python -m tests.clients.environments
	$(BIN)/pytest -m clients -n $(JOBS) --dist loadgroup tests/clients tests/packaging tests/harness/recording/proxy tests/sweep $(ARGS)

test-servers: $(READY) ## Run real servers and proxies in front of the fake provider (installs them)
	@$(BIN)/python -m tests.servers.programs
	$(BIN)/pytest -m servers -n $(SERVER_JOBS) --dist loadgroup tests/servers $(ARGS)

conformance: $(READY) ## Ask the library, the fake provider and the web responses for the promises of streaming, through the command line
	$(BIN)/tokentape conformance iterator tokentape_conformance:tokentape_adapter
	@$(BIN)/tokentape serve --port $(CONFORMANCE_PORT) & server=$$!; trap "kill $$server" EXIT; \
	$(BIN)/tokentape conformance provider http://127.0.0.1:$(CONFORMANCE_PORT) --lacks "unknown_model=$(ANY_MODEL)"
	@$(BIN)/tokentape serve --port $(SIMULATION_PORT) --token unknown --timing synthetic:ttft=20ms,tps=500 & \
	server=$$!; trap "kill $$server" EXIT; \
	$(BIN)/tokentape conformance provider http://127.0.0.1:$(SIMULATION_PORT)/v1 --lacks "unknown_model=$(ANY_MODEL)"
	$(BIN)/tokentape conformance telemetry $(APPS).traced_app:app --path /sse --lacks "content_on=it records none"
	@printf '%s\n' $(PIPELINES) | xargs -P 2 -I{} sh -c '$(BIN)/tokentape conformance pipeline $(APPS).{} --jobs 1'

lint: $(READY) ## Check format, style and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(READY) ## Check types, strictly
	$(BIN)/mypy

cov: $(READY) ## Run the tests and show what they don't reach
	$(BIN)/pytest -n $(JOBS) --cov --cov-report=term-missing:skip-covered

bench: $(READY) ## Measure speed as ratios against reference runs (about sixteen minutes)
	$(BIN)/python -m bench

screenshots: $(READY) ## Take the pictures of the console in the docs again, in Debian's Chromium
	$(BIN)/python -m tests.servers.browser.screenshots docs/images

docs: $(READY) ## Build the documentation as a site in dist/site, which needs no server and no network
	@$(BIN)/python -m docs_site dist/site

# What is published takes its version and its address from pyproject.toml.
PROJECT = $(BIN)/python -c 'import sys, tomllib; print(eval("tomllib.load(open(\"pyproject.toml\", \"rb\"))" + sys.argv[1]))'

dist: $(READY) ## Build the wheel, the source distribution and the npm package in dist/
	$(BIN)/uv build -q --out-dir dist .
	rm -rf dist/npm && mkdir -p dist/npm && cp -r npm dist/npm/source && rm -rf dist/npm/source/node_modules
	echo 'export const VERSION: string = "'$$($(PROJECT) '["project"]["version"]')'";' >dist/npm/source/src/version.ts
	cd dist/npm/source && npm version --no-git-tag-version "$$(cd $(CURDIR) && $(PROJECT) '["project"]["version"]')"
	cd dist/npm/source && npm pkg set repository.url="git+$$(cd $(CURDIR) && $(PROJECT) '["project"]["urls"]["Source"]').git"
	cd dist/npm/source && npm install --no-audit --no-fund && npm pack --pack-destination ..
	rm -rf dist/npm/source

changelog: $(READY) ## Move the fragments of changes/ into CHANGELOG.md, under the version of pyproject.toml
	$$($(BIN)/python -m tests.packaging.tools towncrier) build --version "$$($(PROJECT) '["project"]["version"]')"

sbom: $(READY) ## List what the package brings with all extras, as a bill of materials (CycloneDX), in dist/sbom/
	@$(BIN)/python -m tests.packaging.dependencies sbom dist/sbom

licences: $(READY) ## List the licences of what the package brings with all extras, in LICENCES.md
	@$(BIN)/python -m tests.packaging.dependencies licences LICENCES.md

clean: ## Remove what was built
	rm -rf .venv dist .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt uv; }
	@$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[all]' --group dev
	@touch $@
