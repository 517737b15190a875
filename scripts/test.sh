#!/usr/bin/env bash
# Runs the tests, two at a time, each worker in a ROS domain of its own; arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec ./mtopt shell python -m pytest -n "${MTOPT_TEST_WORKERS:-2}" --dist loadfile "$@"
