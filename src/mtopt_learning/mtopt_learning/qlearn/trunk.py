"""From a state's pictures to features of a task: what every small network has in common."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.affordance import AffordanceMap, AffordanceScores
from mtopt_learning.qlearn.pictures import to_unit
from mtopt_learning.qlearn.tower import Tower, TowerConfig
from mtopt_spec.errors import InputError
from mtopt_spec.observation import AZIMUTH, STATE_SIZE, TOOL_XY

STATE_SCALE = (1.0, 1.0, 5.0, 5.0, 8.0, 1.0, 1.0)
"""Brings the tool's position (m) to the order of one."""
GOAL_JOINS = ("", "input", "late")
"""Where a goal picture joins: nowhere, as three more channels of the picture, as features."""


@dataclass(frozen=True)
class TrunkConfig:
    """What the small networks have in common.

    Attributes:
        tasks: Number of tasks.
        towers: One a camera.
        embedding: Size of what all tasks see of a state.
        hidden: Width of the layers that join embedding, task and action.
        layers: How many such layers there are.
        map_camera: Whose picture has an affordance map; empty: none has.
        map_first: Index of the first of that tower's layers that the map looks at.
        map_layers: How many it looks at.
        map_closeup: Whether it tells where in a cell, what is under the gripper, and how to turn to
            it.
        goal_map: Whether there is a map more, of where the goal's picture shows the gripper; it
            must join at the input.
        goal_join: One of `GOAL_JOINS`. With goals there is one condition more than tasks, the
            last: to reach what the goal pictures show, one of each camera. To a task they are
            blank.
        moving_cameras: Those that move with the gripper, of which there are: in training their goal
            pictures are seen from elsewhere.
    """

    tasks: int
    towers: tuple[TowerConfig, ...]
    embedding: int = 256
    hidden: int = 128
    layers: int = 2
    map_camera: str = ""
    map_first: int = 0
    map_layers: int = 1
    map_closeup: bool = False
    goal_map: bool = False
    goal_join: str = ""
    moving_cameras: tuple[str, ...] = ("wrist",)

    def __post_init__(self):
        if self.goal_join not in GOAL_JOINS:
            raise InputError(
                "goal_join", where="network", got=repr(self.goal_join), expected=GOAL_JOINS
            )
        if self.map_closeup and not self.map_camera:
            raise InputError(
                "map_closeup", where="network", got=True, expected="False without a map"
            )
        if self.goal_map and not (self.map_camera and self.goal_join == "input"):
            raise InputError(
                "goal_map", where="network", got=True,
                expected="False without a map, or where no goal joins at the input",
            )  # fmt: skip
        layers = [len(t.channels) for t in self.towers if t.camera == self.map_camera]
        if layers and not 0 <= self.map_first < self.map_first + self.map_layers <= layers[0]:
            raise InputError(
                "map_first, map_layers", where="network", got=(self.map_first, self.map_layers),
                expected=f"one or more of the tower's {layers[0]} layers",
            )  # fmt: skip

    @property
    def map_slice(self) -> slice:
        """Of that tower's layers, those that the map looks at."""
        return slice(self.map_first, self.map_first + self.map_layers)

    @property
    def goal_cameras(self) -> tuple[str, ...]:
        """Whose pictures a goal is; empty: the network knows no goals."""
        return tuple(tower.camera for tower in self.towers) if self.goal_join else ()

    @property
    def conditions(self) -> int:
        """Tasks, and the goal if there are goals: what a Q-value can be asked for."""
        return self.tasks + bool(self.goal_join)


def default_trunk(
    tasks: int,
    cameras: dict[str, tuple[int, int]],
    affordance_map: bool = True,
    goal_join: str = "",
) -> TrunkConfig:
    """Small towers for pictures of 32 to 128 pixels; trains in minutes on a processor.

    Args:
        tasks: Number of tasks.
        cameras: Camera name to (height, width) of its picture, px.
        affordance_map: Of the first picture that is larger than 48 px: a wrist's is small.
        goal_join: Where a picture of the same camera joins each as the goal.
    """
    towers, map_camera = [], ""
    for camera, (height, width) in cameras.items():
        if max(height, width) > 48:
            map_camera = map_camera or camera
            channels, kernels, strides = (32, 64, 64, 64), (3, 3, 3, 3), (2, 2, 2, 2)
        else:
            channels, kernels, strides = (32, 48, 64), (4, 3, 3), (2, 2, 1)
        towers.append(TowerConfig(camera, height, width, channels, kernels, strides))
    map_camera = map_camera if affordance_map else ""
    return TrunkConfig(
        tasks, tuple(towers), map_camera=map_camera, map_first=1, map_layers=3,
        map_closeup=bool(map_camera), goal_map=bool(map_camera and goal_join == "input"),
        goal_join=goal_join,
    )  # fmt: skip


class Trunk(nn.Module):
    """Towers, proprioception and affordance map, and how a task joins them.

    An embedding is (batch, embedding), with maps (batch, embedding + maps times their features):
    what all tasks see and then what each map says. A goal counts as one more task, the last.

    Args:
        config: Sizes.
        task_input: Whether the task is an input; what the map says is its own in any case.
    """

    def __init__(self, config: TrunkConfig, task_input: bool = True):
        super().__init__()
        self.config = config
        self._task_input = task_input
        pair = config.goal_join == "input"
        self.towers = nn.ModuleDict({t.camera: Tower(t, pair) for t in config.towers})
        self.from_proprioception = nn.Linear(STATE_SIZE, 64)
        features = sum(tower.features for tower in config.towers) + 64
        if config.goal_join == "late":
            self.goal_towers = nn.ModuleDict({t.camera: Tower(t) for t in config.towers})
            features += sum(tower.features for tower in config.towers)
        self.join = nn.Linear(features, config.embedding)
        if task_input:
            self.task_gate = nn.Linear(config.conditions, config.embedding, bias=False)
            self.task_shift = nn.Linear(config.conditions, config.embedding, bias=False)
            nn.init.normal_(self.task_gate.weight, std=0.3)
            nn.init.normal_(self.task_shift.weight, std=0.3)
        if config.map_camera:
            tower = self.towers[config.map_camera]
            with torch.no_grad():
                picture = torch.zeros(1, 3, tower.config.height_px, tower.config.width_px)
                second = picture if pair else None
                layers = tower.with_layers(picture, second=second)[1][config.map_slice]
            sizes = [layer.shape[1:] for layer in layers]
            maps = config.conditions + config.goal_map
            self.map = AffordanceMap(sizes, maps, config.map_closeup)
            self.from_map = nn.Linear(self.map.features, config.embedding, bias=False)
            if config.goal_map:
                self.from_goal_map = nn.Linear(self.map.features, config.embedding, bias=False)
        self.register_buffer("state_scale", torch.tensor(STATE_SCALE), persistent=False)

    @property
    def input_px(self) -> dict[str, tuple[int, int]]:
        """Each tower's picture."""
        return {t.camera: (t.height_px, t.width_px) for t in self.config.towers}

    def prepare_goal(self, images: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What of (batch, 3, h, w) goal pictures is computed once for all states.

        Camera to features where they join late, else only to its pictures in [-1, 1].
        """
        if self.config.goal_join == "late":
            return {camera: tower(images[camera]) for camera, tower in self.goal_towers.items()}
        return {camera: to_unit(images[camera]) for camera in self.towers}

    def embed_and_map(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        goal: dict[str, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, AffordanceScores | None]:
        """The embedding, and the affordance map if there is one.

        Args:
            images: Camera to (batch, 3, h, w) uint8, or floating in about [-1, 1].
            state: (batch, 7) float32 proprioception.
            goal: Of `prepare_goal`, a row a state; None: blank.
        """
        config, parts, scores = self.config, [], None
        for camera, tower in self.towers.items():
            image = images[camera]
            second = self._second(camera, image, goal)
            features, layers = tower.with_layers(image, second=second)
            if camera == config.map_camera:
                scores = self.map(layers[config.map_slice])
            parts.append(features)
        parts.append(torch.relu(self.from_proprioception(state * self.state_scale)))
        if config.goal_join == "late":
            for camera, tower in self.goal_towers.items():
                blank = torch.zeros(len(state), tower.config.features, device=state.device)
                parts.append((blank if goal is None else goal[camera]).to(parts[0].dtype))
        embedding = torch.relu(self.join(torch.cat(parts, -1)))
        if scores is not None:
            with torch.autocast(state.device.type, enabled=False):
                read = self.map.read(scores, state[:, TOOL_XY], state[:, AZIMUTH]).flatten(1)
            embedding = torch.cat([embedding, read.to(embedding.dtype)], -1)
        return embedding, scores

    def look(
        self, picture: torch.Tensor, goal: dict[str, torch.Tensor] | None = None
    ) -> AffordanceScores:
        """The affordance map alone.

        Args:
            picture: (batch, 3, h, w) of the map's camera, as for `embed_and_map`.
            goal: There, too.
        """
        camera = self.config.map_camera
        second = self._second(camera, picture, goal)
        _, layers = self.towers[camera].with_layers(picture, second=second)
        return self.map(layers[self.config.map_slice])

    def _second(self, camera: str, picture: torch.Tensor, goal) -> torch.Tensor | None:
        """What joins a picture at a tower's input: its goal, or nothing to be seen."""
        if self.config.goal_join != "input":
            return None
        return torch.zeros(picture.shape, device=picture.device) if goal is None else goal[camera]

    def of_task(self, embedding: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """(batch, embedding) of (batch,) int64 tasks."""
        joined, read = embedding.tensor_split([self.config.embedding], -1)
        if self._task_input:  # one-hot times a matrix, as a look-up
            gate = 1 + self.task_gate.weight.T[task]
            joined = joined * gate + self.task_shift.weight.T[task]
        if self.config.map_camera:
            rows = torch.arange(len(task), device=task.device)
            read = read.reshape(len(task), -1, self.map.features)
            joined = joined + self.from_map(read[rows, task])
            if self.config.goal_map:
                joined = joined + self._to_goal(task) * self.from_goal_map(read[:, -1])
        return torch.relu(joined)

    @torch.no_grad()
    def begin_tasks_as_goal(self) -> None:
        """Every task's own weights become the goal's."""
        tasks = self.config.tasks
        if self._task_input:
            for layer in (self.task_gate, self.task_shift):
                layer.weight[:, :tasks] = layer.weight[:, tasks:]
        if self.config.map_camera:
            score = self.map.score
            score.weight[:tasks], score.bias[:tasks] = score.weight[tasks], score.bias[tasks]

    def _to_goal(self, task: torch.Tensor) -> torch.Tensor:
        """(batch, 1) bool, whether a row is to reach its goal."""
        return (task == self.config.tasks)[:, None]
