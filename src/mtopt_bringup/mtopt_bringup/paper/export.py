"""The best twelve-task checkpoint with a card that says what it is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from mtopt_bringup.paper.scoring import interval_text, rate
from mtopt_learning.checkpoint.folder import CONFIG
from mtopt_spec.whole_file import partial_path


def export_best(candidates: dict[str, tuple[Path, dict, int]], data: dict, folder: Path) -> dict:
    """Copies the checkpoint with the highest mean success and writes its card, aside and renamed.

    Args:
        candidates: Row's title to its checkpoint, what `evaluate` gave, and how many episodes of
            its own it learned from beside the data set; all tasks each.
        data: Account of the data set, of `collect.account`.
        folder: Of the export; an older one is replaced.

    Returns:
        `row`, `mean`, `folder`, `bytes`.
    """
    title = max(candidates, key=lambda name: candidates[name][1]["mean"])
    checkpoint, score, own_episodes = candidates[title]
    partial = partial_path(folder)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(checkpoint, partial)
    config = json.loads((checkpoint / CONFIG).read_text())
    (partial / "README.md").write_text(model_card(title, score, data, config, own_episodes))
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(partial, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {"row": title, "mean": score["mean"], "folder": str(folder), "bytes": size}


def model_card(title: str, score: dict, data: dict, config: dict, own_episodes: int = 0) -> str:
    """What a user must know of the checkpoint, as Markdown."""
    training = config["settings"]["training"]
    own = f" and {own_episodes:,} of its own in on-policy rounds" if own_episodes else ""
    attempts = {row["attempts"] for row in score["tasks"].values()}
    lines = [
        "# A multi-task Q-function for the bin cell", "",
        f"Row of the experiment: {title}. Fingerprint `{score['checkpoint']}`, code "
        f"`{config['code']['commit'][:12]}`. Settings of network and training: `config.json`.", "",
        "## Success by task", "",
        f"{min(attempts)} episodes a task in fresh simulated scenes (seed {score['seed']}), judged "
        "by the simulator's truth; 95 % intervals by Wilson.", "",
        "| task | success | interval |", "| --- | --- | --- |",
        *(
            f"| {name} | {rate(row):.2f} | {interval_text(row)} |"
            for name, row in score["tasks"].items()
        ),
        f"| **mean** | **{score['mean']:.2f}** | |", "",
        "## Training", "",
        f"V(s') by the backup `{training['backup']}` (`cem_max` is the published one), episodes "
        f"shared by `{training['sharing']}`, batches {training['sampler']['balance']}; it sees the "
        f"cameras {', '.join(config['specs']['cameras'])}. Gradient steps: "
        f"{config['metrics'].get('step', 0):,}.", "",
        "## Data", "",
        f"{data['episodes']:,} simulated episodes (`{data['fingerprint'][:12]}`), by scripts and "
        f"then by learned policies{own}, rewarded by the simulator's truth in a person's place.",
        "",
        "## Limits", "",
        "- Trained and measured in this repository's simulated cell only: never on a real arm.",
        "- It knows the cell's objects, bin, cameras and arm, no others; see `config.json`.",
        "- The scene of a task that names an object always held that object.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
