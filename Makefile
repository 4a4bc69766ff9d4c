# One command each; all of them set up what they need first.
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.napari-haiku-installed
OUTPUT ?= demo_output

.PHONY: help setup demo test lint types contracts manifest unit pictures docs wheel clean

help: ## show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@sh scripts/setup.sh $(VENV)

setup: $(STAMP) ## make the environment in .venv

demo: $(STAMP) ## run the whole loop on a virtual slide
	$(BIN)/napari-haiku demo --output $(OUTPUT)

test: lint types contracts manifest unit ## everything that must pass

lint: $(STAMP) ## style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP) ## static types
	$(BIN)/mypy

contracts: $(STAMP) ## which room may import which
	$(BIN)/lint-imports

manifest: $(STAMP) ## the plugin manifest
	$(BIN)/npe2 validate napari-haiku

unit: $(STAMP) ## unit and window tests (the window ones under Xvfb)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

pictures: $(STAMP) ## the pictures of the documentation
	$(BIN)/python scripts/make_pictures.py

docs: $(STAMP) ## the documentation as a web site in site/
	$(BIN)/mkdocs build --strict

wheel: $(STAMP) ## the wheel in dist/
	$(BIN)/uv build --wheel

clean: ## take away what the other targets made
	rm -rf $(VENV) .uv dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache demo_output
