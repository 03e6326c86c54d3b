# Every target makes the environment in .venv first.

PYTHON ?= python3
TELL_VERSION := import sys; print("%d.%d" % sys.version_info[:2])
BIN := .venv/bin
DATA ?= data
EXTRAS ?= tests
comma := ,
INSTALLED := .venv/installed-$(subst $(comma),-,$(EXTRAS))
# TensorFlow has much to say about GPUs there are not.
QUIET := TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=
PYTEST := $(QUIET) $(BIN)/python -m pytest -q -n 2 --dist loadfile

# The tests that build no dataset and take seconds.
QUICK := tests/rooms_test.py tests/words_test.py tests/linac_config \
  tests/transforms/keys_test.py tests/classifiers/network/unpickle_test.py \
  $(addprefix tests/pipelines/, plan runners/find_runner_test.py runners/local \
    files/strict_json_test.py files/tfrecord_test.py worker/prefetch_test.py \
    $(addprefix command_line/, command_test.py option_file_test.py options_test.py))

.PHONY: sample check test nightly lint bench notebook clean

# Installing compiles these.
COMPILED := transforms/canonical/compile.py \
  $(wildcard transforms/canonical/source/*)

# An environment that another Python made is removed first.
$(INSTALLED): setup.py pyproject.toml constraints.txt $(COMPILED)
	@version=$$($(PYTHON) -c '$(TELL_VERSION)' 2> /dev/null); \
	case "$$version" in \
	  3.11 | 3.12 | 3.13) ;; \
	  *) if test "$$version"; then fault="is Python $$version"; \
	     else fault="was not found or does not start"; fi; \
	     echo "$(PYTHON) $$fault; this project needs Python 3.11, 3.12 or 3.13." \
	       "Name one that is installed, for example:" \
	       "make $(or $(MAKECMDGOALS),sample) PYTHON=python3.12" >&2; \
	     exit 1 ;; \
	esac; \
	test "$$($(BIN)/python -c '$(TELL_VERSION)' 2> /dev/null)" = "$$version" \
	  || rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

sample: $(INSTALLED)  ## Builds the sample dataset and reads it back.
	$(BIN)/linac build --source sample --data_dir $(DATA) --seed 42
	$(BIN)/python examples/read_sample.py $(DATA)

check: lint  ## Runs the linters and the quick tests, in less than a minute.
	$(PYTEST) $(QUICK)

test: lint  ## Runs the tests, but for those of `nightly`.
	$(PYTEST)

nightly: $(INSTALLED)  ## Runs the tests that `make test` leaves out.
	$(PYTEST) -m nightly

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(INSTALLED)  ## Runs all benchmarks; see benchmarks/RESULTS.md.
	$(BIN)/python -m benchmarks.fit
	$(BIN)/python -m benchmarks.sizes
	$(BIN)/python -m benchmarks.defence
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.variants
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.storage
	$(BIN)/python -m benchmarks.scaling 1000 16000 60000
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.compilation

notebook: $(INSTALLED)  ## Runs the walkthrough and saves its pictures.
	$(BIN)/jupyter execute --inplace --NotebookClient.record_timing=False \
	  --NotebookClient.coalesce_streams=True examples/linac_walkthrough.ipynb

clean:
	rm -rf .venv $(DATA) *.egg-info transforms/canonical/liblinac.*
