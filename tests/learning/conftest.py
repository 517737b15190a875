"""A toy world for the learner, and one thread of torch."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy():
    """2,000 episodes of the reach world; not to be changed."""
    import reach_world

    return reach_world.collect(2000)
