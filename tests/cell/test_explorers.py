"""Cells that collect side by side with a learned policy."""

import pytest

from mtopt_bringup.explorers import Explorer, collect_side_by_side
from mtopt_bringup.in_process import CollectConfig
from mtopt_bringup.policies import QFUNCTION
from mtopt_learning.policy.q_policy import ActConfig
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.run_folder import save_run
from mtopt_learning.train.trainer import Trainer
from mtopt_sim.cell import cell_tasks
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES


@pytest.mark.timeout(120)
def test_one_episode_is_one_cells(tmp_path):
    tasks = cell_tasks()
    save_run(tmp_path, Trainer(tasks, dict(DEFAULT_IMAGE_SIZES), TrainConfig(device="cpu")))
    config = CollectConfig(
        robots=2, episodes=1, out=tmp_path / "bags", tasks=("lift-any",), policy=QFUNCTION
    )
    result = collect_side_by_side(config, Explorer(tmp_path / "checkpoint", tasks, ActConfig()), 2)
    assert result["episodes"] == result["tasks"]["lift-any"]["attempts"] == 1
    assert [path.name for path in (tmp_path / "bags").glob("cell_*")] == ["cell_1"]
