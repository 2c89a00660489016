# make run: two passes of pictures, and a film of them. make fast: the quick tests. make test: every check.
# Each installs what it needs first, with the versions of constraints.txt.

# Packages are installed into .venv, or into the environment that VENV names: make run VENV=DIR.
# An activated environment is left alone. Conda: make run VENV=$CONDA_PREFIX.
VENV ?= .venv
PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || command -v python3)
BIN := $(VENV)/bin

# A stamp for each extra. It names the checkout that it installed: another one installs itself.
# [dev] includes [lab].
DEV := $(VENV)/flopslab.dev
LAB := $(or $(wildcard $(DEV)),$(VENV)/flopslab.lab)
STALE = $(if $(filter $(CURDIR),$(shell cat $(1) 2>/dev/null)),,stale)

define FAILED
Nothing was run: pip could not install flopslab[$*] into $(VENV). Its reason stands above.
Without a network (on a cluster's node, say): run this target once where there is one, with the
same VENV, and start papermill or python of $(BIN) on the node, which needs no make.
endef
export FAILED

.PHONY: run fast test slow slow-models slow-others notebooks lint types lab tiny stale
.DEFAULT_GOAL := run

# torch gets one thread, because with two the last bits of pixels change. A run still uses every
# core: it has a compute thread for each.
run fast test slow slow-models slow-others notebooks: export OMP_NUM_THREADS := 1

run: $(LAB)
	mkdir -p output
	$(BIN)/papermill notebooks/run.ipynb output/run.ipynb
	$(BIN)/jupyter nbconvert --log-level WARN --to html --template page \
		--TemplateExporter.extra_template_basedirs=notebooks output/run.ipynb
	$(BIN)/flopslab film output/demo --sound tones --transition crossfade
	@echo "Look at output/run.html. Pictures: output/demo/final; film: output/demo/film.mp4, and"
	@echo "output/demo/player.html, which fades one pass into the next while it plays."

test: slow lint fast notebooks  # the longest first: two cores then end together

fast: $(DEV)
	$(BIN)/python -m pytest -m "not torch and not browser and not slow"

slow: slow-others slow-models  # two parts, for two cores

slow-models: $(DEV)
	$(BIN)/python -m pytest tests/backends tests/experiments -m "torch or browser or slow"

slow-others: $(DEV)
	$(BIN)/python -m pytest --ignore=tests/backends --ignore=tests/experiments \
		-m "torch or browser or slow"

notebooks: $(DEV)
	rm -rf build/notebooks
	mkdir -p build/notebooks
	cp $(filter-out notebooks/out%,$(wildcard notebooks/*.ipynb)) build/notebooks
	$(BIN)/python -m pytest -p nbval build/notebooks \
		--nbval-lax --nbval-current-env --nbval-cell-timeout 300

lint: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/basedpyright --pythonpath $(BIN)/python

lab: $(LAB)
	$(BIN)/jupyter lab

tiny: $(LAB)
	$(BIN)/python -m training.train

$(VENV)/flopslab.lab: $(call STALE,$(VENV)/flopslab.lab)
$(DEV): $(call STALE,$(DEV))
$(VENV)/flopslab.lab $(DEV): $(VENV)/flopslab.%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[$*]' || { echo "$$FAILED" >&2; exit 1; }
	@echo "$(CURDIR)" > $@
