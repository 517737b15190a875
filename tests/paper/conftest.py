"""Made-up results of the experiment, and the work that jobs do."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def score():
    """What `evaluate` gives for rates of success, of so many attempts each."""
    from mtopt_learning.evaluate.scores import score_tasks

    def make(rates, attempts=20):
        counts = {name: (attempts, round(rate * attempts)) for name, rate in rates.items()}
        return {**score_tasks(counts), "checkpoint": "0123456789ab", "seed": 1000}

    return make
