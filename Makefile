# make run     set up, simulate ResNet-50 on a TPU v1, print the table and the path of the roofline
# make test    set up, then formatting, linting, types, layering and all tests
# make setup   only make .venv, with the command at .venv/bin/rooftile
# make quick   the tests that aren't slow
# make laws    the tests of laws on examples that no run has drawn before
# make rtl     the array against its Verilog: 540 programs (needs Icarus Verilog or Verilator 5)
# make dram    the DRAM controllers against DRAMsim3 and Ramulator 2.1: 735 streams
# make engines the analytical engine against the cycle engine: the zoo on all presets
# make across  what passes over several layers save: the tables in DESIGN.md (some minutes)
# make bench   the speed claims of the README, measured here
# make pictures  the pictures of web pages in docs/pages (needs Chromium)
# make fuzz    10^5 mutated files of each format: do the loaders survive? (about an hour and a half)
# make soak    10^8 requests through one DRAM controller, and the memory that takes
# make clean   remove what make made
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TYPED  := $(wildcard accel/*.pxd accel/dram/*.pxd mapper/*.pxd)

.PHONY: run setup test check quick laws rtl dram engines across bench pictures fuzz soak clean help


run: setup
	@rm -rf out/resnet50-on-tpu_v1
	@mkdir -p out
	@$(BIN)/rooftile run resnet50 --hw tpu_v1 -o out/resnet50-on-tpu_v1

setup: $(STAMP)

# Modules with a .pxd beside them are compiled while installing, where a C compiler is there.
$(STAMP): pyproject.toml setup.py $(TYPED) $(TYPED:.pxd=.py)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

test: setup check
	$(BIN)/python -m pytest -n 2

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: setup
	$(BIN)/python -m pytest -n 2 -m 'not slow'

laws: setup
	$(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile explore

rtl: setup
	@$(BIN)/rooftile validate rtl --random 540

dram: setup
	@$(BIN)/rooftile validate dram --reference tests/published/dram/reference.csv \
		--timings tests/published/dram/timings.csv
	@$(BIN)/rooftile validate dram --reference tests/published/dram/ablation.csv \
		--timings tests/published/dram/timings.csv

engines: setup
	@$(BIN)/rooftile validate engines

across: setup
	@$(BIN)/python -m tests.bench.across

pictures: setup
	@$(BIN)/python -m tests.pictures

bench: setup
	@$(BIN)/python -m tests.bench.table
	@$(BIN)/python -m tests.bench.mapping
	@$(BIN)/python -m tests.bench.zoo
	@$(BIN)/python -m tests.bench.sweep
	@$(BIN)/python -m tests.bench.cluster
	@$(BIN)/python -m tests.bench.dram
	@$(BIN)/python -m tests.bench.loading
	@$(BIN)/python -m tests.bench.explore
	@$(BIN)/python -m tests.bench.page

fuzz: setup
	@$(BIN)/python -m tests.fuzz -j 2 --keep out/fuzz

soak: setup
	@$(BIN)/python -m tests.bench.dram --soak

help:
	@sed -n 's/^# //p' Makefile

clean:
	rm -rf $(VENV) out build *.egg-info accel/*.so accel/dram/*.so mapper/*.so
