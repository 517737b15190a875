"""Picks the episodes whose label would help a detector most.

Three kinds, since each alone is blind to something:

- *uncertain*: its score is near the threshold (D. D. Lewis and W. A. Gale, 1994, SIGIR). Of those
  with the highest entropy, ones that differ from each other, since many pictures of one mistake
  teach it once (the farthest point each time: O. Sener and S. Savarese, 2018, "A core-set
  approach", ICLR).
- *suspicious*: judged a success. A Q-function that learned to deceive its detector ends in states
  that the detector is sure of, which uncertainty never finds.
- *blind*: drawn evenly, from the episodes that training never sees; by them calibration and
  threshold follow the present frequency of outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNCERTAIN, SUSPICIOUS, BLIND = "uncertain", "suspicious", "blind"
CANDIDATES = 10
"""The uncertain ones are picked from so many times as many of the highest entropy."""


@dataclass(frozen=True)
class Question:
    """An end state to be judged.

    Attributes:
        episode: Index into the data set.
        task: Index.
        score: What the detector says; success from 0.5 on.
        why: `uncertain`, `suspicious` or `blind`.
    """

    episode: int
    task: int
    score: float
    why: str


def pick(
    scores: np.ndarray,
    embedding: np.ndarray,
    episodes: np.ndarray,
    open_: np.ndarray,
    held: np.ndarray,
    count: int,
    blind_share: float,
    random: np.random.Generator,
) -> list[Question]:
    """At most `count` questions a task.

    Args:
        scores: (n, tasks) of the detector; success from 0.5 on.
        embedding: (n, hidden) of its network.
        episodes: (n,) indices into the data set.
        open_: (n, tasks) bool, has no label yet.
        held: (n,) bool, kept out of training: blind ones are of these, all others not.
        count: A task.
        blind_share: Share of blind ones; the rest is uncertain and suspicious by halves.
        random: Draws.

    Returns:
        Task by task, the most helpful first.
    """
    questions = []
    for task in range(scores.shape[1]):
        blind = np.flatnonzero(open_[:, task] & held)
        blind = random.choice(blind, min(round(blind_share * count), len(blind)), replace=False)
        seen = np.flatnonzero(open_[:, task] & ~held)
        room = min(count - len(blind), len(seen))
        successes = seen[scores[seen, task] >= 0.5]
        suspicious = random.permutation(successes)[: room // 2]
        rest = np.setdiff1d(seen, suspicious)
        uncertain = most_uncertain(scores[rest, task], embedding[rest], room - len(suspicious))
        for rows, why in ((rest[uncertain], UNCERTAIN), (suspicious, SUSPICIOUS), (blind, BLIND)):
            questions += [
                Question(int(episodes[i]), task, float(scores[i, task]), why) for i in rows
            ]
    return questions


def most_helpful(questions: Sequence[Question], count: int) -> list[Question]:
    """At most `count` over all tasks: as many of each kind and task as may be, the best first.

    Questions of every task and kind are taken in turn, in their order there.
    """
    place: Counter = Counter()
    turn = []
    for question in questions:
        turn.append(place[question.task, question.why])
        place[question.task, question.why] += 1
    return [questions[i] for i in np.argsort(turn, kind="stable")[:count]]


def entropy(score: np.ndarray) -> np.ndarray:
    """Of a decision with that probability, in bits: 1 at the threshold, 0 where it is sure."""
    p = np.clip(np.asarray(score, float), 1e-12, 1 - 1e-12)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def most_uncertain(score: np.ndarray, embedding: np.ndarray, count: int) -> np.ndarray:
    """Uncertain states that differ from each other.

    The first has the highest entropy; each further one the highest product of entropy and distance
    to the nearest that is picked.

    Args:
        score: (n,) with 0.5 at the threshold.
        embedding: (n, hidden).
        count: How many.

    Returns:
        (min(n, count),) indices, in the order of picking.
    """
    bits = entropy(score)
    candidates = np.argsort(-bits, kind="stable")[: CANDIDATES * count]
    bits, embedding = bits[candidates], embedding[candidates]
    apart, picked = np.ones(len(candidates)), []
    for number in range(min(count, len(candidates))):
        best = int(np.argmax(np.where(apart < 0, -1.0, bits * apart)))
        picked.append(best)
        distance = np.linalg.norm(embedding - embedding[best], axis=1)
        apart = distance if number == 0 else np.minimum(apart, distance)
        apart[picked] = -1.0
    return candidates[np.array(picked, np.int64)]
