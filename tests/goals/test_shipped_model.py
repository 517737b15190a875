"""The models that come with the repository: their cards are of them, and they do what is said."""

from pathlib import Path

import pytest

from mtopt_bringup.goalset.reaching import ReachConfig, evaluate_goals
from mtopt_bringup.policies import learned_policy
from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_sim.cell import cell_tasks

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("model", sorted(MODELS.glob("*/")), ids=lambda folder: folder.name)
def test_a_models_card_is_of_its_weights_and_steps(model):
    q_function = load_q_function(model, cell_tasks().names)
    card = (model / "README.md").read_text()
    assert f"Fingerprint `{q_function.fingerprint}`" in card
    assert f"{q_function.metrics['step']:,}" in card


def test_the_shipped_goal_model_reaches_what_pictures_show(shown, tmp_path):
    """Of nine goals, where an untrained one reaches none and its card says 0.81."""
    policy = learned_policy(MODELS / "bin_cell_goals", cell_tasks())
    config = ReachConfig("qfunction", robots=3, processes=1)
    kinds = evaluate_goals(shown, policy, config, tmp_path)["kinds"]
    assert sum(kind["successes"] for kind in kinds.values()) >= 6, kinds
    assert all(kind["successes"] for kind in kinds.values()), kinds
