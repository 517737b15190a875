"""The stations of a cell, each with its own model, scene and random numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtopt_sim.goals import reached
from mtopt_sim.labels import label_tasks
from mtopt_sim.scene import object_names
from mtopt_sim.scene_draw import OBJECTS_IN_SCENE, draw_objects, scene_generator
from mtopt_sim.station import Station
from mtopt_sim.world_file import read_world, robot_names
from mtopt_spec import seeds
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, GoalTruth
from mtopt_spec.interfaces import TaskLabel
from mtopt_spec.resources import share_dir
from mtopt_spec.task import TaskList, load_tasks

LABEL_SOURCE = "simulator"
_read_world = functools.cache(read_world)


@dataclass(frozen=True)
class CellConfig:
    """What a cell is made of.

    Attributes:
        robots: How many stations: the first ones of the world file.
        seed: Of the scenes at the start.
        world: World file; None takes the installed one.
        image_sizes: Camera name to (height_px, width_px); None takes an observation's sizes.
    """

    robots: int = 7
    seed: int = 0
    world: Path | None = None
    image_sizes: tuple[tuple[str, tuple[int, int]], ...] | None = None


def world_file(config: CellConfig = CellConfig()) -> Path:
    """The world file of a cell."""
    return config.world or share_dir() / "worlds" / "bin_cell.sdf"


def cell_robots(config: CellConfig) -> tuple[str, ...]:
    """Names of a cell's robots.

    Raises:
        InputError: The world has fewer.
    """
    names = robot_names(world_file(config))
    if not 1 <= config.robots <= len(names):
        raise InputError(
            "robots", where=world_file(config), got=config.robots, expected=f"1 to {len(names)}"
        )
    return names[: config.robots]


def make_station(config: CellConfig, robot: str) -> Station:
    """A robot's station with its first scene."""
    sizes = {"image_sizes": dict(config.image_sizes)} if config.image_sizes else {}
    station = Station(world_file(config), robot, **sizes)
    names = cell_robots(config)
    new_scene(station, seeds.derive(config.seed, "first scene", names.index(robot)))
    return station


def new_scene(station: Station, seed: int, objects: Sequence[str] = ()) -> None:
    """Puts other objects into a station's bin.

    Args:
        station: The station.
        seed: Of everything that is drawn.
        objects: Names; none draws them with the seed.
    """
    station.reset(seed, objects=list(objects) or None)


def cell_objects(config: CellConfig = CellConfig(robots=1)) -> tuple[str, ...]:
    """Names of the objects of a cell, of which a scene holds some."""
    robot = cell_robots(config)[0]
    return object_names(_read_world(world_file(config), robot), robot)


def scene_objects(seed: int, config: CellConfig = CellConfig(robots=1)) -> tuple[str, ...]:
    """Names of the objects that `new_scene` puts into a bin when it draws them with this seed."""
    return draw_objects(scene_generator(seed), cell_objects(config), OBJECTS_IN_SCENE)


def truth_labels(
    station: Station, tasks: TaskList, goal: GoalTruth | None = None
) -> tuple[TaskLabel, ...]:
    """Every task's success in the present state, standing in for a person's judgement.

    With a goal there is one more label, of `REACH_GOAL`.
    """
    truth = station.truth()
    judged = label_tasks(truth, tasks)
    if goal is not None:
        judged[REACH_GOAL] = reached(truth, goal)
    return tuple(
        TaskLabel(name, success, float(success), LABEL_SOURCE) for name, success in judged.items()
    )


def cell_tasks(path: Path | None = None) -> TaskList:
    """The tasks that are labelled: the installed params/tasks.yaml, if no other is named."""
    return load_tasks(path or share_dir() / "params" / "tasks.yaml")
