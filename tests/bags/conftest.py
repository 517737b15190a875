"""Made-up episodes with real pictures and real messages."""

from __future__ import annotations

import numpy as np
import pytest

from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_spec.action import Action, SentAction
from mtopt_spec.episode import Episode, EpisodeBegin, EpisodeEnd, JointState, Step
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.observation import Observation

JOINTS = (
    *(f"iiwa_joint_{i}" for i in range(1, 8)),
    "gripper_left_finger_joint",
    "bin_hinge_joint",
)
SIZES = {"shoulder": (64, 64), "wrist": (32, 32)}


def grey_value(episode: int, step: int) -> int:
    """Brightness of every picture of one observation, so that a picture tells where it is from."""
    return (episode * 23 + step * 7) % 240 + 8


def make_episode(
    number: int,
    *,
    robot: str = "robot_1",
    steps: int = 3,
    task: str = "lift-any",
    reason: EndReason = EndReason.LIMIT,
    fault: Fault = Fault.NONE,
    success: bool | None = None,
    start_s: float | None = None,
    period_s: float = 0.2,
    sizes: dict = SIZES,
    joint_states_a_step: int = 5,
    dropped_frames: int = 0,
) -> Episode:
    """Episode `number`: step s of it moves by s mm in x and shows `grey_value(number, s)`."""
    start_s = number * 10.0 if start_s is None else start_s
    episode_id = f"test-{robot}-{number}"

    def observation(step: int) -> Observation:
        grey = grey_value(number, step)
        return Observation(
            round(start_s + step * period_s, 9),
            {
                camera: encode_jpeg(np.full((*size, 3), grey, np.uint8))
                for camera, size in sizes.items()
            },
            gripper_closed=step % 2 == 1,
            gripper_opening_m=0.05,
            tool_pose_bin=(0.01 * step, -0.02, 0.2, 0.1 * step),
        )

    actions = [Action(translation_m=(0.001 * s, 0.0, -0.01), close=s == 1) for s in range(steps)]
    actions[-1] = Action(terminate=reason == EndReason.TERMINATE)
    success = number % 2 == 0 if success is None else success
    end_s = round(start_s + steps * period_s, 9)
    times = np.linspace(start_s, end_s, steps * joint_states_a_step + 1)
    return Episode(
        begin=EpisodeBegin(
            start_s,
            robot,
            episode_id,
            number,
            1000 + number,
            task,
            "scripted_pick",
            "",
            period_s,
            tuple(sizes),
        ),
        steps=tuple(
            Step(observation(s), a, SentAction(a, s == 2, np.arange(8) + 0.5 * s))
            for s, a in enumerate(actions)
        ),
        last_observation=observation(steps),
        joint_states=tuple(
            JointState(t, JOINTS, np.sin(np.arange(9) + t), np.zeros(9), np.full(9, t))
            for t in times
        ),
        end=EpisodeEnd(
            end_s,
            episode_id,
            reason,
            fault,
            "",
            steps,
            success,
            float(success),
            "simulator",
            (
                TaskLabel("lift-any", success, float(success), "simulator"),
                TaskLabel("lift-can", False, 0.0, "simulator"),
            ),
            dropped_frames=dropped_frames,
        ),
    )


def write_bag(folder, episodes, **options):
    """Writes episodes of one robot; gives the bag folders."""
    bags = []
    with BagWriter(folder, episodes[0].begin.robot, sync=False, **options) as writer:
        for episode in episodes:
            bag = writer.write_episode(episode_messages(episode))
            if bag not in bags:
                bags.append(bag)
    return bags


@pytest.fixture(name="make_episode")
def _make_episode():
    return make_episode


@pytest.fixture(name="write_bag")
def _write_bag():
    return write_bag


@pytest.fixture(name="grey_value")
def _grey_value():
    return grey_value


@pytest.fixture
def bag(tmp_path):
    """A bag of three episodes of 2, 3 and 4 steps."""
    return write_bag(tmp_path / "bags", [make_episode(n, steps=2 + n) for n in range(3)])[0]
