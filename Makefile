# Two commands do everything: `make run` (the main job) and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= .data
FUZZ_S ?= 600
# What an installation compiles: a change of it needs a new one.
SOURCES := $(shell find collector -name '*.p[xy][dix]')

.PHONY: run test test-sdks test-long lint format bench bench-instrument bench-instructions bench-merge bench-price bench-query fuzz dashboards chromium lock clean

run: $(VENV)/.run  ## collector, stand-in provider and demo agents; Ctrl-C stops it
	@$(BIN)/spanledger demo --serve --data $(DATA)

# In the order of their folders, as the files with few tests are the long ones: last, one of the two would wait for the other.
test: lint test-sdks examples/node/node_modules  ## lint and the whole test suite, two files at a time
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-sdks: $(VENV)-sdks/.test  ## the SDKs whose requirements exclude chDB's or each other's: LiteLLM, boto3, CrewAI
	@$(VENV)-sdks/bin/python -m pytest tests/instrumentation/wire/test_sdks.py tests/instrumentation/wire/test_chaos.py \
	    -k "litellm or bedrock or br"
	@PYTHONPATH=$(VENV)-sdks/urllib3-1 $(VENV)-sdks/bin/python -m pytest tests/instrumentation/wire/test_clients.py \
	    tests/instrumentation/wire/test_chaos.py tests/instrumentation/wire/test_sdks.py -k "requests or urllib3 or bedrock"
	@PYTHONPATH=$(VENV)-sdks/crewai $(VENV)-sdks/bin/python -m pytest tests/instrumentation/tools -k crewai

test-long: $(VENV)/.test  ## the long form of the fault and fuzz runs too
	@$(BIN)/python -m pytest --run-slow

fuzz: $(VENV)-fuzz/.ready  ## atheris on the decoder and the three OTLP entrances, for FUZZ_S seconds
	@cd $(VENV)-fuzz && PYTHONPATH=.. bin/python -m tests.fuzz.run $(FUZZ_S)

lint: $(VENV)/.test  ## ruff (style, docstrings, format) and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.test  ## what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.test $(VENV)-bench/.ready  ## spans a second, stage by stage and end to end, beside rotel
	@ROTEL="$$(ls $(VENV)-bench/lib/python*/site-packages/rotel/rotel-agent)" $(BIN)/python benchmarks/ingest.py

bench-instrument: $(VENV)-bench/.ready  ## what tracing adds to a call and an import, beside the other instrumentors
	@$(VENV)-bench/bin/python benchmarks/instrument.py

bench-instructions: $(VENV)-bench/.ready  ## the same in processor instructions, which no neighbour changes; needs valgrind
	@$(VENV)-bench/bin/python benchmarks/instructions.py

bench-merge: $(VENV)/.test  ## what decoding, normalising and merging cost a span, and the stages after that by both twins
	@$(BIN)/python benchmarks/merge.py
	@$(BIN)/python benchmarks/settle.py

bench-price: $(VENV)/.test  ## what pricing costs a call
	@$(BIN)/python benchmarks/price.py

bench-query: $(VENV)/.test  ## milliseconds a question takes on ten million calls
	@$(BIN)/python benchmarks/query.py

dashboards: $(VENV)/.test  ## deploy/grafana from queries/
	@$(BIN)/python -m spanledger_collector.grafana deploy/grafana

chromium:  ## Debian's Chromium, for the browser tests
	@scripts/install-chromium

lock: $(VENV)/.test  ## refresh locks/: exact versions with hashes, no index address
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group build --extra collector --extra demo pyproject.toml -o locks/run.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group build --group dev --extra collector --extra demo -c locks/run.txt pyproject.toml -o locks/test.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group build --group sdks pyproject.toml -o locks/sdks.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group build --group bench pyproject.toml -o locks/bench.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group urllib3-1 -o locks/urllib3-1.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --no-deps --group crewai -o locks/crewai.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group build --group fuzz --extra collector -c locks/run.txt pyproject.toml -o locks/fuzz.txt

clean:
	rm -rf $(VENV) $(VENV)-sdks $(VENV)-bench $(VENV)-fuzz examples/node/node_modules build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "spanledger needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: locks/run.txt pyproject.toml $(SOURCES) | $(BIN)/python
	@echo "installing spanledger into $(VENV) (once)"
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps -r locks/run.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: locks/test.txt pyproject.toml $(SOURCES) | $(BIN)/python
	@echo "installing spanledger and its test tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps -r locks/test.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)-sdks/.test: locks/sdks.txt locks/urllib3-1.txt locks/crewai.txt pyproject.toml | $(BIN)/python
	@echo "installing the app side and further SDKs into $(VENV)-sdks (once)"
	@$(PYTHON) -m venv $(VENV)-sdks
	@$(VENV)-sdks/bin/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps -r locks/sdks.txt
	@$(VENV)-sdks/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@$(VENV)-sdks/bin/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps --upgrade \
	    --target $(VENV)-sdks/urllib3-1 -r locks/urllib3-1.txt
	@$(VENV)-sdks/bin/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps --upgrade \
	    --target $(VENV)-sdks/crewai -r locks/crewai.txt
	@touch $@

$(VENV)-bench/.ready: locks/bench.txt pyproject.toml
	@echo "installing the app side and what it is measured beside into $(VENV)-bench (once)"
	@$(PYTHON) -m venv $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps -r locks/bench.txt
	@$(VENV)-bench/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)-fuzz/.ready: locks/fuzz.txt pyproject.toml $(SOURCES)
	@echo "installing the collector and atheris into $(VENV)-fuzz (once)"
	@$(PYTHON) -m venv $(VENV)-fuzz
	@$(VENV)-fuzz/bin/python -m pip install --disable-pip-version-check -q --require-hashes --no-deps -r locks/fuzz.txt
	@$(VENV)-fuzz/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

examples/node/node_modules: examples/node/package-lock.json
	@if command -v npm >/dev/null; then \
	    echo "installing the packages of the Node example (once)"; \
	    cd examples/node && npm ci --no-audit --no-fund --loglevel=error && touch node_modules \
	        || echo "npm ci failed; the test of the Node example will skip"; \
	else echo "there is no npm; the test of the Node example will skip"; fi
