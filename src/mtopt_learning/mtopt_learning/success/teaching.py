"""From labels to a detector's folder, and on from there: the detector is taught as data comes in.

MT-Opt (arXiv 2104.08212, section IV.B) labels end states on which the detector is wrong all along
and retrains it: light, background and what the robots do shift, and a Q-function learns to end in
states that deceive it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtopt_learning.checkpoint.folder import check_checkpoint
from mtopt_learning.success.budget import TRAIN, UNUSED, VALIDATION
from mtopt_learning.success.detector import KIND, LABELS, SuccessDetector, save_detector
from mtopt_learning.success.labelling import label_episodes
from mtopt_learning.success.labels import (
    TRUTH_SOURCES,
    list_used,
    place_used,
    shares_id,
    truth_labels,
)
from mtopt_learning.success.metrics import mean_accuracy
from mtopt_learning.success.training import (
    Start,
    SuccessTrainConfig,
    train_detector,
    validation_mask,
)
from mtopt_learning.success.uncertain import Question, pick


def teach(
    dataset,
    out: Path,
    config: SuccessTrainConfig,
    *,
    sources: Sequence[str] = TRUTH_SOURCES,
    start: SuccessDetector | None = None,
    offered: np.ndarray | None = None,
    write: Callable[[dict], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Trains a detector from labels within its budget and saves it with the list of them.

    Args:
        dataset: A `Dataset`.
        out: Folder of the detector; an older one is replaced as a whole.
        config: Settings.
        sources: Whose labels are added, best first.
        start: The detector to go on from; its labels are used again, beside the new ones.
        offered: (episodes, tasks) bool, the labels that may be added; None offers all.
        write: Gets a record every 50 steps.
        progress: Told the number of steps done.

    Returns:
        `detector`, `fingerprint`, `labels` (task to how many), `tasks` (metrics), `accuracy`.

    Raises:
        InputError: Too few labels, or `out` is neither free nor a detector's folder.
    """
    check_checkpoint(out, KIND, (LABELS,))
    labels, by = truth_labels(dataset, sources)
    old, told = place_used(dataset, start.used if start else ())
    labels = np.where(old == UNUSED, labels, told)
    begin = Start(start.network, old) if start else None
    trained = train_detector(dataset, labels, config, write, progress, begin, offered)
    new = np.where(old == UNUSED, trained.used, UNUSED)
    used = [*(start.used if start else ()), *list_used(dataset, new, labels, by, sources)]
    fingerprint = save_detector(
        out, trained, dataset.tasks, dataset.cameras, config, dataset.fingerprint, used
    )
    return {
        "detector": str(out),
        "fingerprint": fingerprint,
        "labels": {
            name: {
                "train": int((trained.used[:, t] == TRAIN).sum()),
                "validation": int((trained.used[:, t] == VALIDATION).sum()),
                "new": int((new[:, t] != UNUSED).sum()),
            }
            for t, name in enumerate(dataset.tasks)
        },
        "tasks": trained.metrics,
        "accuracy": mean_accuracy(trained.metrics),
    }


@dataclass(frozen=True)
class KeepUpConfig:
    """How a detector is kept up with its data.

    Attributes:
        labels: New ones a task and call, at most.
        labels_per_task: Budget of a task from now on, all its labels together; 0: as it was taught.
        steps: Gradient steps.
        learning_rate: Of them, at the start.
        blind_share: See `pick`.
        seed: Of the draws.
    """

    labels: int = 50
    labels_per_task: int = 0
    steps: int = 150
    learning_rate: float = 5e-4
    blind_share: float = 0.3
    seed: int = 0


def keep_up(
    dataset,
    folder: Path,
    config: KeepUpConfig,
    *,
    first_episode: int = 0,
    sources: Sequence[str] = TRUTH_SOURCES,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """One turn of the continual labelling: pick end states, have them labelled, retrain, relabel.

    Call it in each on-policy round after the data set has grown. The detector's folder is replaced
    by the retrained one and all episodes are judged anew. Learn from `reward_labels` afterwards.

    Args:
        dataset: A `Dataset`, opened after it has grown.
        folder: The detector.
        config: How much.
        first_episode: Only episodes from this one on are asked about.
        sources: Who answers; in simulation the truth in a person's place.
        progress: Told the number of gradient steps done.

    Returns:
        `asked`, and of these `wrong`: where the detector had judged otherwise; the same of each
        kind of question, by `why`; without any question the detector stays as it is.
    """
    detector = SuccessDetector.load(folder, dataset.tasks, dataset.cameras)
    labels, _ = truth_labels(dataset, sources)
    used, _ = place_used(dataset, detector.used)
    budget = config.labels_per_task or detector.training.labels_per_task
    room = (used != UNUSED).sum(0) < budget
    questions = questions_for(
        dataset, detector, config.labels, answerable=np.isfinite(labels) & room,
        first_episode=first_episode, blind_share=config.blind_share, seed=config.seed,
    )  # fmt: skip
    result = {"asked": len(questions), "wrong": 0, "why": {}}
    for question in questions:
        wrong = (question.score >= 0.5) != (labels[question.episode, question.task] >= 0.5)
        kind = result["why"].setdefault(question.why, {"asked": 0, "wrong": 0})
        kind["asked"] += 1
        kind["wrong"] += int(wrong)
        result["wrong"] += int(wrong)
    if questions:
        offered = np.zeros(labels.shape, bool)
        offered[[q.episode for q in questions], [q.task for q in questions]] = True
        training = replace(
            detector.training, steps=config.steps, learning_rate=config.learning_rate,
            labels_per_task=budget,
        )  # fmt: skip
        teach(
            dataset, folder, training, sources=sources, start=detector, offered=offered,
            progress=progress,
        )  # fmt: skip
        detector = SuccessDetector.load(folder, dataset.tasks, dataset.cameras)
    label_episodes(dataset, detector)
    return result


def questions_for(
    dataset,
    detector: SuccessDetector,
    count: int,
    *,
    answerable: np.ndarray | None = None,
    first_episode: int = 0,
    blind_share: float = 0.3,
    seed: int = 0,
) -> list[Question]:
    """At most `count` questions a task; see `uncertain.pick`.

    Args:
        dataset: A `Dataset`.
        detector: That is unsure.
        count: A task.
        answerable: (episodes, tasks) bool; None: all.
        first_episode: Only episodes from this one on.
        blind_share: Share of blind ones.
        seed: Of the draws.
    """
    used, _ = place_used(dataset, detector.used)
    training = detector.training
    held = validation_mask(dataset.n_episodes, training.validation_share, training.seed)
    held = np.where((used == TRAIN).any(1), False, held | (used == VALIDATION).any(1))
    open_ = (used == UNUSED) & ~shares_id(dataset)[:, None]
    if answerable is not None:
        open_ &= answerable
    pool = np.arange(first_episode, dataset.n_episodes)
    scores, embedding = detector.look(dataset, pool)
    random = np.random.default_rng([seed, dataset.n_episodes])
    return pick(scores, embedding, pool, open_[pool], held[pool], count, blind_share, random)


def reward_labels(dataset, detector: SuccessDetector) -> np.ndarray:
    """The reward to learn from: people's judgement where they gave it, else the detector's.

    Only the labels that the detector was made with count as given, so a run in simulation uses no
    more truth than its label budget.

    Returns:
        (episodes, tasks) float32 in [0, 1].
    """
    label_episodes(dataset, detector)
    _, told = place_used(dataset, detector.used)
    return np.where(np.isfinite(told), told, dataset.labels("detector")).astype(np.float32)
