"""Each node is built from its own file, and the file holds nothing that the node does not know."""

from __future__ import annotations

import pytest
import yaml
from cell_robot import ROOT

from mtopt_control.arm.arm_node import ArmNode
from mtopt_control.bin_reset.bin_reset_node import BinResetNode
from mtopt_control.camera.camera_node import CameraNode
from mtopt_control.episode.episode_node import EpisodeNode
from mtopt_control.robot_node import RobotNode
from mtopt_control.schedule.task_scheduler_node import TaskSchedulerNode

NODES = [
    (ArmNode, "arm_node", "/robot_1"),
    (BinResetNode, "bin_reset_node", "/robot_1"),
    (CameraNode, "camera_node", "/robot_1/camera"),
    (CameraNode, "camera_node", "/robot_1/wrist_camera"),
    (EpisodeNode, "episode_node", "/robot_1"),
    (RobotNode, "robot_node", "/robot_1"),
    (TaskSchedulerNode, "task_scheduler_node", "/"),
]


@pytest.mark.parametrize(("make", "name", "namespace"), NODES)
def test_a_node_takes_its_file_and_knows_every_key_in_it(
    spinner, make, name, namespace, monkeypatch
):
    # the file's own names, without the workspace having been installed anew
    import mtopt_spec.ros_parameters as ros_parameters

    monkeypatch.setattr(ros_parameters, "share_dir", lambda: ROOT)
    files = [ROOT / f"params/{name}.yaml", *sorted(ROOT.glob(f"params/*/{name}.yaml"))]
    assert files, "a node has a file"
    arguments = [item for path in files for item in ("--params-file", str(path))]
    node = spinner.add(
        make(
            context=spinner.context,
            namespace=namespace,
            cli_args=["--ros-args", *arguments],
            use_global_arguments=False,
        )
    )
    for path in files:
        for root, values in yaml.safe_load(path.read_text()).items():
            if not f"{namespace.rstrip('/')}/{name}".endswith(root.replace("/**", "")):
                continue
            for key, value in values["ros__parameters"].items():
                assert node.has_parameter(key), f"{path.name}: {name} has no parameter {key}"
                if path == files[-1]:
                    got = node.get_parameter(key).value
                    assert (list(got) if isinstance(value, list) else got) == value
