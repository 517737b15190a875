"""Judges every task from the simulator's truth: the stand-in for a person's judgement."""

from __future__ import annotations

from collections.abc import Iterable

from mtopt_sim.truth import PLATE_SECTIONS, SceneTruth
from mtopt_spec.errors import InputError
from mtopt_spec.task import Task

LIFTED_HEIGHT_M = 0.06
COVERED_SHARE = 0.6


def label_tasks(truth: SceneTruth, tasks: Iterable[Task]) -> dict[str, bool]:
    """Success of each task in one state of a scene.

    `lifted`: an object (of that name, or any) is held and its centre is `LIFTED_HEIGHT_M` or more
    above the bin's floor. `placed`: an object lies at rest on the plate (in that section, or any),
    touched by no finger, and the scene did not put it there. `covered`: the thing `by` lies at
    rest, touched by no finger, over `COVERED_SHARE` or more of an object's outline from above (of
    that name, or any).

    Args:
        truth: The scene at the end of an episode.
        tasks: The tasks to judge.

    Returns:
        Task name to success.

    Raises:
        InputError: A task has an unknown rule or section.
    """
    return {task.name: _judge(truth, task) for task in tasks}


def _judge(truth: SceneTruth, task: Task) -> bool:
    rule = task.success["rule"]
    if rule == "lifted":
        wanted = task.success["object"]
        return any(
            held and height >= LIFTED_HEIGHT_M and wanted in ("any", name)
            for name, held, height in zip(truth.names, truth.held, truth.position_bin_m[:, 2])
        )
    if rule == "placed":
        wanted = task.success["section"]
        if wanted not in ("any", *PLATE_SECTIONS):
            raise _bad(task, f"section {wanted!r}", f"any or one of {PLATE_SECTIONS}")
        return any(
            section != "" and wanted in ("any", section) and rest and not touched
            for name, section, rest, touched in zip(
                truth.names, truth.section, truth.at_rest, truth.touched
            )
            if name not in truth.laid
        )
    if rule == "covered":
        return _covered(truth, task.success["object"], task.success["by"])
    raise _bad(task, f"rule {rule!r}", "lifted, placed or covered")


def _covered(truth: SceneTruth, wanted: str, by: str) -> bool:
    if truth.covered is None or by not in truth.names:
        return False
    cover = truth.names.index(by)
    if truth.touched[cover] or not truth.at_rest[cover]:
        return False
    return any(
        share >= COVERED_SHARE and wanted in ("any", name)
        for name, share in zip(truth.names, truth.covered)
    )


def _bad(task: Task, got: str, expected: str) -> InputError:
    return InputError("success rule", where=f"task {task.name}", got=got, expected=expected)
