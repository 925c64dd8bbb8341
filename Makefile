# Everything runs in .venv, which `make env` creates on a machine with nothing but Python and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: env demo test check docs prove results bench clean

env: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("metadx needs Python 3.11 or newer, not " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

demo: env  ## Meta-train on some thyroid diagnoses, tell apart others from 1 to 20 patients each.
	$(BIN)/metadx demo --episodes 150 --out demo-report

test: env  ## Every test but the long proofs.
	$(BIN)/python -m pytest -n auto -q -m "not slow"

check: env  ## Style, types, the house's layers, dead links, tables made from results.
	$(BIN)/ruff check src tests tools benchmarks
	$(BIN)/ruff format --check src tests tools benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_links.py
	$(BIN)/python tools/tables.py --check
	$(BIN)/python tools/reference.py --check

docs: env  ## The documentation as a site, in site/.
	$(BIN)/python tools/tables.py
	$(BIN)/python tools/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

prove: env  ## The proofs that are too long for the suite.
	$(BIN)/python -m pytest -n auto -q -m slow --durations=20

results: env  ## Measure every figure of the results table again.
	$(BIN)/python tools/measure.py
	$(BIN)/python tools/measure_audit.py
	$(BIN)/python tools/measure_images.py
	$(BIN)/python tools/measure_full.py
	$(BIN)/python tools/measure_signals.py
	$(BIN)/python tools/measure_ecg.py
	$(BIN)/python tools/measure_genomics.py
	$(BIN)/python tools/measure_clinical.py
	$(BIN)/python tools/measure_study.py
	$(BIN)/python tools/measure_tradeoffs.py
	$(BIN)/python tools/measure_fuzz.py
	$(BIN)/python tools/measure_algorithms.py --again

bench: env  ## metadx against its peers, each installed in an environment of its own. Close other programs first.
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python tools/tables.py

clean:
	rm -rf .venv site runs demo-report
