"""Bags in, a policy out: `ros2 launch mtopt_bringup train_eval.launch.py bags:=bags out:=run`.

`mtopt dataset build`, `mtopt train` and `mtopt eval` in turn; a launch that was interrupted goes on
where it stopped when it is started again.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from mtopt_bringup.ros_launch_actions import in_turn, patient_stop

ARGUMENTS = {
    "bags": ("bags", "Folder of bags to learn from."),
    "out": ("run", "Folder of the data set, the training run and the evaluation."),
    "tasks": ("", "Names with commas; none: all."),
    "steps": ("4000", "Gradient steps."),
    "episodes": ("50", "Of each task, to measure."),
    "robots": ("7", "Stations side by side that measure."),
    "seed": ("0", "Of training; the scenes that are measured have their own."),
}


def commands(values: dict[str, str]) -> list[tuple[str, list[str]]]:
    """The three commands."""
    out, tasks = values["out"], [name for name in values["tasks"].split(",") if name]
    named = ["--tasks", *tasks] if tasks else []
    run = f"{out}/train"
    train = ["--out", run, "--steps", values["steps"], "--seed", values["seed"], "--resume"]
    measure = ["--checkpoint", f"{run}/checkpoint", "--episodes", values["episodes"]]
    return [
        ("dataset", ["mtopt", "dataset", "build", values["bags"], "--out", f"{out}/data"]),
        ("train", ["mtopt", "train", f"{out}/data", *train, *named]),
        ("eval", ["mtopt", "eval", *measure, "--robots", values["robots"], *named, "--json"]),
    ]


def start(context) -> list:
    """Reads the arguments, starts the first command."""
    return in_turn(
        commands({name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS})
    )


def generate_launch_description() -> LaunchDescription:
    """Arguments, then the commands in turn."""
    declared = [
        DeclareLaunchArgument(name, default_value=value, description=words)
        for name, (value, words) in ARGUMENTS.items()
    ]
    return LaunchDescription([*patient_stop(), *declared, OpaqueFunction(function=start)])
