# Two commands do everything: make run, make test. The rest is for those who work on Hengtou.
PY := .venv/bin/python
INVESTORS ?= 2000

.PHONY: run demo test prove lint e2e words pins

run: ; @sh config/bootstrap.sh && exec $(PY) manage.py run_demo

# The simulated world in the configured database, without running anything: make demo INVESTORS=200000
demo:
	@sh config/bootstrap.sh
	@$(PY) manage.py migrate -v 0
	@$(PY) manage.py sync_roles
	@$(PY) manage.py sync_instruments
	@$(PY) manage.py sync_tags
	@$(PY) manage.py load_demo --investors $(INVESTORS)

test: ; @sh config/bootstrap.sh dev && $(PY) -m pytest -n 2 --dist loadfile

e2e: ; @sh config/bootstrap.sh dev && $(PY) -m pytest tests/e2e -n 2 --dist loadfile --override-ini addopts="-q --strict-markers"

lint:
	@sh config/bootstrap.sh dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports
	$(PY) -m mypy .
	$(PY) manage.py makemigrations --check --dry-run

# Every claim beside its reference, so the peers are installed too; one core is busy for well over half an hour.
prove: ; @sh config/bootstrap.sh dev benchmarks && $(PY) -m benchmarks

words: ; @sh config/bootstrap.sh dev && $(PY) -m config.words

# Needs uv; resolved on Python 3.11, the oldest supported.
pins:
	uv pip compile --python-version 3.11 --no-header --no-annotate -q requirements.in -o requirements.txt
	uv pip compile --python-version 3.11 --no-header --no-annotate -q requirements-dev.in -o requirements-dev.txt
