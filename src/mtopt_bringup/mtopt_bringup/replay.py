"""Recorded states as questions to a policy, and how far its answers are from what was done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mtopt_learning.bag.collected_episode import BagEpisode
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest
from mtopt_spec.observation import MAX_OPENING_M, Observation


def questions(episode: BagEpisode, policy: str) -> Iterator[tuple[PolicyRequest, np.ndarray]]:
    """Each state of an episode as a question, with the action (8,) that was asked for then.

    Args:
        episode: Of a bag.
        policy: Who is asked.
    """
    begin = episode.begin
    for index, commanded in enumerate(episode.commanded):
        closed, opening, x, y, z, sine, cosine = (float(v) for v in episode.state[index])
        observation = Observation(
            episode.stamp_ns[index] / 1e9,
            {name: pictures[index] for name, pictures in episode.images_jpeg.items()},
            bool(closed),
            opening * MAX_OPENING_M,
            (x, y, z, float(np.arctan2(sine, cosine))),
        )
        yield (
            PolicyRequest(
                begin.robot, begin.episode_id, index, begin.seed, begin.task,
                policy, observation,
            ),
            commanded,
        )  # fmt: skip


@dataclass
class Comparison:
    """Answers against records, as they come in."""

    distances_m: list[float] = field(default_factory=list)
    turns_rad: list[float] = field(default_factory=list)
    same_flags: int = 0
    q_values: list[float] = field(default_factory=list)
    refused: int = 0

    def add(self, answer: PolicyAnswer, recorded: np.ndarray) -> None:
        """Takes one answer; `recorded` is the action (8,) of the bag."""
        if answer.error:
            self.refused += 1
            return
        chosen = answer.action.to_vector()
        self.distances_m.append(float(np.linalg.norm(chosen[:3] - recorded[:3])))
        turn = np.arctan2(chosen[3], chosen[4]) - np.arctan2(recorded[3], recorded[4])
        self.turns_rad.append(float(abs((turn + np.pi) % (2 * np.pi) - np.pi)))
        self.same_flags += bool(np.array_equal(chosen[5:] > 0.5, recorded[5:] > 0.5))
        self.q_values.append(answer.q_value)

    def result(self) -> dict:
        """Medians, and how many agree in closing, opening and terminating."""
        count = len(self.distances_m)
        known = [q for q in self.q_values if np.isfinite(q)]
        return {
            "steps": count,
            "refused": self.refused,
            "median_distance_m": float(np.median(self.distances_m)) if count else None,
            "median_turn_rad": float(np.median(self.turns_rad)) if count else None,
            "same_flags": self.same_flags / count if count else None,
            "mean_q": float(np.mean(known)) if known else None,
        }
