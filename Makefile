# `make demo` and `make test` set up everything that they need; see README.md.

.PHONY: help setup demo test lint lock clean

help:
	@echo "make demo    set up, then run the whole way once: collect, train, drive, report"
	@echo "make test    set up, then run the tests"
	@echo "make setup   system packages, .venv/ and the ROS workspace"
	@echo "make lint    ruff over the tree"
	@echo "make lock    resolve requirements.in into requirements.lock"
	@echo "make clean   remove what set-up made"

setup:
	@scripts/setup.sh

demo: setup
	./mtopt demo $(ARGS)

test: setup
	@scripts/test.sh $(ARGS)

lint: setup
	./mtopt shell ruff check .

lock:
	scripts/lock.sh

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache
