# make reproduce and make test set up everything on a fresh machine.
# The machine needs bash and Python 3.11, 3.12 or 3.13 with venv.
# The environment is .venv. It is made once, and updated when requirements.lock or pyproject.toml changes.

SHELL := bash
.DEFAULT_GOAL := help

# .venv is complete. Paths that the shell sets could hide packages of it.
unexport PYTHONPATH PYTHONHOME
# A container's user may have no name and no writable home; Snakemake, Jupyter and Keras need both.
export LOGNAME ?= $(firstword $(shell id -un 2> /dev/null || id -u))
ifneq ($(shell test -d "$$HOME" -a -w "$$HOME" && echo usable),usable)
export HOME := $(CURDIR)/outputs/.home
$(shell mkdir -p "$(HOME)")
endif

PROFILE ?= sample
DATA ?=
SOURCE ?=
SEEDS ?=
JOBS ?=
TIMEOUT ?=
EXECUTOR ?=
PYTHON ?= python3.13 python3.12 python3.11 python3

BIN := .venv/bin
READY := .venv/ready

# These are passed as environment variables (fer_utils/workflow/handover.py).
# Otherwise shells and make would interpret blanks, quotes, # and $ in a path.
OPTIONS := PROFILE DATA SOURCE SEEDS JOBS TIMEOUT EXECUTOR
unexport $(OPTIONS)

# Without this check, a mistyped name would silently run the study with other settings.
SETTINGS := $(OPTIONS) PYTHON KILLS STUDY BOX_PYTHON BOX_PART_MB BOX_BEYOND ARGS OPEN UPGRADE
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
ifneq ($(filter-out $(SETTINGS) MAKE% -%,$(GIVEN)),)
$(error There is no setting $(firstword $(filter-out $(SETTINGS) MAKE% -%,$(GIVEN))). Known: $(SETTINGS))
endif

$(foreach name,$(OPTIONS),$(eval reproduce plan box box-rehearsal: export FER_OPTION_$(name) = $$(value $(name))))
reproduce plan box: export FER_OPTION_ENVIRONMENT = $(foreach name,$(OPTIONS),$(if $(findstring environment,$(origin $(name))),$(name)))
test test-latest site bench box box-rehearsal: export TF_CPP_MIN_LOG_LEVEL = 3

# The tests of a file share fixtures, so each file stays in one process. At most four processes, to limit the memory.
# A process that crashes ends the tests: otherwise xdist would start its whole file again and again.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

.NOTPARALLEL:  # tests and Snakemake start parallel processes themselves
.PHONY: help setup reproduce plan site test test-latest fuzz kill-test slurm-test bench lab lock box box-rehearsal

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'For reproduce and plan, each as NAME=value:'
	@echo '  PROFILE  a file of profiles/, or the path of your own: sample (built-in faces), cpu, paper'
	@echo '  DATA     the real FER-2013: a path (CSV, folder or zip), or kaggle; also $$FER_DATA'
	@echo '  SOURCE   what the backbones are pretrained on: a folder with a folder of images per class'
	@echo '  SEEDS    one run of each arm a seed: how many, as in SEEDS=5, or which, as in SEEDS="0 1 2"'
	@echo '  TIMEOUT  seconds that one cell may take before its run is ended as stalled; none by default, since a'
	@echo '           training cell takes hours on a slow machine'
	@echo '  JOBS     runs at once; by default one a GPU, or what the profile says for a machine without'
	@echo '  EXECUTOR slurm or kubernetes: each run is a job of the cluster, as profiles/<it>/config.yaml asks for it'

setup: $(READY)  ## make the environment in .venv (the others do it when needed)

reproduce: $(READY)  ## run the study; finished runs are kept, so the same command resumes
	@$(BIN)/python -m fer_utils.workflow reproduce

plan: $(READY)  ## print what the study costs and every papermill command, and run none
	@$(BIN)/python -m fer_utils.workflow plan

USERS_XLA_FLAGS := $(XLA_FLAGS)
# A test runs compiled code only once, so optimising it would take longer than it saves.
test: export XLA_FLAGS = --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true $(USERS_XLA_FLAGS)
test: $(READY)  ## check style and layers, then run the tests on JAX (models and training) and on TensorFlow (all)
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/ruff format --check
	$(BIN)/nbstripout --verify --keep-id --extra-keys "metadata.papermill cell.metadata.papermill" notebooks/*.ipynb course/*.ipynb
	KERAS_BACKEND=jax $(BIN)/python -m pytest -q $(SIDE_BY_SIDE) --dist worksteal tests/test_models.py tests/test_layers.py tests/test_augmentation.py tests/test_training.py
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -q $(SIDE_BY_SIDE) --durations=10

# The site uses only drawn faces and the committed reference, whatever data the environment names.
site: export FER_OPTION_PROFILE = site
site: $(READY)  ## build the web site into outputs/site/html: this study's runs on drawn faces, then all pages
	@cd tools && ../$(BIN)/python -m website --before-the-runs
	@env -u FER_DATA $(BIN)/python -m fer_utils.workflow reproduce
	@cd tools && env -u FER_DATA ../$(BIN)/python -m website

# This finds what would break for somebody who installs today. requirements.lock does not change.
test-latest: $(READY)  ## run the same tests with the newest versions of all packages instead of the locked ones, in .venv-latest
	$(BIN)/python -m venv --clear .venv-latest
	.venv-latest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade -e '.[test,jax,photos,export,site]'
	@$(BIN)/python -m pip freeze --exclude-editable | sort > .venv-latest/locked.txt
	@.venv-latest/bin/python -m pip freeze --exclude-editable | sort > .venv-latest/newest.txt
	@echo 'Newer than the lock:'; diff .venv-latest/locked.txt .venv-latest/newest.txt | grep '^>' || echo '  nothing'
	KERAS_BACKEND=tensorflow .venv-latest/bin/python -m pytest -q $(SIDE_BY_SIDE)

fuzz: $(READY)  ## test with damaged inputs for some minutes, new ones each time
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) --dist load --hypothesis-profile=many --hypothesis-show-statistics tests/test_fuzz.py

KILLS ?= 50
kill-test: $(READY)  ## kill a training KILLS=50 times and compare its results, into outputs/reference/reliability.json
	$(BIN)/python tests/reliability/kill_runs.py --kills $(KILLS) outputs/reference/reliability.json

# It installs system packages and writes into /etc/slurm: use it in a container, not on a cluster's login node.
STUDY ?= small
slurm-test: $(READY)  ## on Debian, as root: run the study on a real Slurm of two nodes, and lose one (STUDY=sample: the whole)
	apt-get update -qq && apt-get install -qq -y --no-install-recommends slurm-wlm munge
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[slurm]'
	$(BIN)/python tests/slurm/run.py --study $(STUDY) outputs/slurm-test

# Each ratio is measured in one run; the machine should be idle.
bench: $(READY)  ## time the code around the networks, on FER_DATA or else the sample, into outputs/reference/benchmarks.json
	$(BIN)/python -m pytest -q tests/benchmarks -o python_files='bench_*.py' -o python_functions='bench_*' \
		--benchmark-columns=median,iqr,rounds --benchmark-json=outputs/benchmarks.raw.json
	@$(BIN)/python tests/benchmarks/summarize.py outputs/benchmarks.raw.json outputs/reference/benchmarks.json

# See docs/gpu-box.md. BOX_PYTHON is the box's Python version; the archive's wheels are for it.
BOX_PYTHON ?= 3.12
BOX_PART_MB ?= 40
BOX_BEYOND ?=
box box-rehearsal: PROFILE = gpu
box: $(READY)  ## write the archive for a GPU box without a network into outputs/box (DATA=..., SOURCE=...)
	@$(BIN)/python tools/box/make.py --python "$(BOX_PYTHON)" --part-mb "$(BOX_PART_MB)" $(if $(filter-out 0,$(BOX_BEYOND)),--beyond)

# The same archive and run.sh run on this machine, with only the packages that a box has (tools/box/machine.txt).
REHEARSAL := outputs/rehearsal
box-rehearsal: $(READY) .venv-box/ready  ## make and run a box's archive on this CPU: drawn faces, tiny, in an environment like the box's
	@rm -rf $(REHEARSAL) && mkdir -p $(REHEARSAL)/carried
	@$(BIN)/python tools/box/make.py --data sample --source sample --python "$(BOX_PYTHON)" \
		--out $(REHEARSAL)/box --kept outputs/box/kept
	@cp $(REHEARSAL)/box/run.sh $(REHEARSAL)/box/parts.sha256 $(REHEARSAL)/box/part.* $(REHEARSAL)/carried/
	@cd $(REHEARSAL) && PATH="$(CURDIR)/.venv-box/bin:$$PATH" bash carried/run.sh --minutes 4.5 --out home --work . --device cpu --tiny

.venv-box/ready: tools/box/machine.txt
	@for python in python$(BOX_PYTHON) $(PYTHON) none; do \
		"$$python" -c 'import ensurepip, sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(BOX_PYTHON)")' 2> /dev/null && break; done; \
	if [ "$$python" = none ]; then \
		echo 'No Python $(BOX_PYTHON) was found. Install one, name it as PYTHON=/path/to/it, or give BOX_PYTHON=3.13' >&2; exit 1; \
	fi; \
	"$$python" -m venv --clear .venv-box && .venv-box/bin/python -m pip install --quiet --disable-pip-version-check -r tools/box/machine.txt
	@touch $@

OPEN ?= notebooks/01_explore_data.ipynb
lab: $(READY)  ## open JupyterLab in the same environment (OPEN=course/lab1.ipynb; options: ARGS="--no-browser --port 8890")
	@root=; if [ "$$(id -u)" = 0 ]; then \
		echo 'You are root, which JupyterLab refuses: started with --allow-root. Who has its address can do all that root can.'; \
		root=--allow-root; \
	fi; PATH="$$PWD/$(BIN):$$PATH" JUPYTER_PATH="$$PWD/fer_utils$${JUPYTER_PATH:+:$$JUPYTER_PATH}" \
		$(BIN)/jupyter lab --ServerApp.root_dir="$$PWD" $$root $(ARGS) "$(OPEN)"

# Locked versions stay, unless UPGRADE=--upgrade. One set is for Python 3.11 to 3.13 on every platform.
lock: $(READY)  ## write requirements.lock anew from pyproject.toml (UPGRADE=--upgrade for newer versions)
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-strip-extras $(UPGRADE) \
		--extra test --extra jax --extra photos --extra export --extra site pyproject.toml --output-file requirements.lock

CHECK_PYTHON := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

$(READY): requirements.lock pyproject.toml
	@if ! $(BIN)/python -m pip --version > /dev/null 2>&1; then \
		for python in $(PYTHON) none; do "$$python" -c '$(CHECK_PYTHON)' 2> /dev/null && break; done; \
		if [ "$$python" = none ]; then \
			echo 'No Python 3.11, 3.12 or 3.13 with its venv module (on Debian: apt install python3-venv) was found as' >&2; \
			echo '$(PYTHON). Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12' >&2; exit 1; \
		fi; \
		echo "Setting up .venv with $$("$$python" --version), once; about 3.5 GB and a few minutes ..."; \
		"$$python" -m venv --clear .venv || exit 1; \
	fi
	@set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
		--require-hashes -r requirements.lock 2>&1 | tee .venv/install.log \
		| { n=0; while IFS= read -r line; do case "$$line" in \
				Collecting*|Processing*|*"already satisfied"*) n=$$((n + 1)); [ $$((n % 25)) != 0 ] || echo "  $$n packages" ;; \
				Installing*) echo "  unpacking all $$n, which takes a minute or two" ;; \
			esac; done; } \
		|| { grep -E 'ERROR|error' .venv/install.log >&2; echo 'Set-up failed; all of it: .venv/install.log' >&2; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@
