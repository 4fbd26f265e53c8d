# What there is to do here; `make` alone lists it. ARGS="..." is handed on to the program that is started.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run demo call check test lint format eval bench clean

export LANG := C.UTF-8
export LC_ALL := C.UTF-8
PYTHON := .venv/bin/python
SHELL_FILES = setup/run .ci/run docker/keep-running $(shell find setup docker dialplans tests -name '*.sh')

help: ## this list
	@sed -nE 's/^([a-z]+):.* ## (.*)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## make this folder ready to run; safe to repeat
	@setup/run

# exec: the server is make's own child, so that Ctrl-C reaches it once and it stops its parts in order.
run: setup ## start the hotline in the foreground; Ctrl-C stops it
	@exec $(PYTHON) server.py run $(ARGS)

demo: setup ## place a real call to a hotline started for it, show the ticket
	@exec $(PYTHON) server.py demo $(ARGS)

call: ## place a spoken call to the running hotline, e.g. ARGS='--say 我要投诉噪音'
	@exec $(PYTHON) server.py call $(ARGS)

check: ## check config/ and dialplans/ without starting anything
	@$(PYTHON) server.py check $(ARGS)

test: ## everything that must be true: linters, types, all tests
	@setup/run --test
	@$(MAKE) --no-print-directory lint
	$(PYTHON) -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: ## ruff, mypy, shellcheck, hadolint
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	shellcheck $(SHELL_FILES)
	.venv/bin/hadolint docker/Dockerfile

format: ## let ruff arrange the code
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

eval: ## how rightly calls are read, from text and from speech, into docs/evaluation.md
	@setup/run --test
	@exec $(PYTHON) -m evaluation $(ARGS)

bench: ## benchmarks against peers
	@setup/run --test
	@exec $(PYTHON) -m bench $(ARGS)

clean: ## remove what tests and tools leave; never data, .venv or Asterisk
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis test-artefacts
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.asterisk/*' -prune -exec rm -rf {} +
