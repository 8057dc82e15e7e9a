# `make run` and `make test` need Python >= 3.11, make and a compiler; everything else is installed into .venv.
PYTHON ?= python3
UPSTREAM ?= http://localhost:9090
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint format bench bench-quick bench-delta bench-front soak faults chaos fuzz deltas lock clean

run: $(VENV)/.run
	$(BIN)/millpond serve --upstream $(UPSTREAM) --log-format console

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.test
	$(BIN)/python -m benchmarks --quick

# What deltas cost and save in front of a real Prometheus; BENCH_DELTA=--quick for a shorter one.
bench-delta: $(VENV)/.test
	$(BIN)/python -m benchmarks.delta $(BENCH_DELTA)

# What passing through to Grafana costs, beside nginx as a plain proxy; BENCH_FRONT=--quick for a shorter one.
bench-front: $(VENV)/.test
	$(BIN)/python -m benchmarks.front $(BENCH_FRONT)

# What must not grow: 10,000 idle connections, then ten minutes of mixed load; SOAK="--minutes 60" for longer.
soak: $(VENV)/.test
	$(BIN)/python -m benchmarks.soak $(SOAK)

# The long form of what the suite does briefly: each fault lasts a minute, the settings are killed twenty times.
faults: $(VENV)/.test
	FAULT_SECONDS=60 SETTINGS_ROUNDS=20 $(BIN)/python -m pytest --timeout 900 --durations 0 tests/faults \
	  tests/integration/test_settings_survive*.py

# Storm after storm, each of a seed that is printed; CHAOS_SEED=… begins with that one again.
chaos: export CHAOS_SECONDS ?= 300
chaos: export CHAOS_EVENTS ?= 40
chaos: export CHAOS_LENIENCE ?= 1
chaos: $(VENV)/.test
	$(BIN)/python -m pytest --timeout 0 -x -s tests/chaos

# Raw requests mutated at random, by a seed that is printed (FUZZ_SEED), and many more examples of everything that the
# suite asks of any bytes and of the API's document.
fuzz: export FUZZ_SECONDS ?= 300
fuzz: export SCHEMATHESIS_EXAMPLES ?= 300
fuzz: export FUZZ_EXAMPLES ?= 3000
fuzz: $(VENV)/.test
	$(BIN)/python -m pytest --timeout 0 -x -s tests/fuzz
	$(BIN)/python -m pytest --timeout 0 tests/web/test_openapi.py tests/dialects/test_any_bytes.py

# Random questions in random order, of Millpond and of Prometheus itself, until so many answers have been compared. The
# seed is printed; DELTA_SEED=… begins with that one, DELTA_EPISODE=… takes one of its episodes alone.
deltas: export DELTA_COMPARISONS ?= 20000
deltas: $(VENV)/.test
	$(BIN)/python -m pytest --timeout 0 -s tests/deltas

# The lock files hold hashes and no addresses; both fit every supported Python and platform.
lock: $(VENV)/.python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --extra test pyproject.toml -o requirements-test.lock

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# Millpond itself is put on the path, not built: that needs no build backend, and edits count at once.
$(VENV)/.run: $(VENV)/.python requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python deploy/put_on_path.py
	touch $@

$(VENV)/.test: $(VENV)/.run requirements-test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	touch $@
