"""Which end states are asked about."""

import numpy as np
import pytest

from mtopt_learning.success.uncertain import (
    BLIND,
    SUSPICIOUS,
    UNCERTAIN,
    Question,
    entropy,
    most_helpful,
    most_uncertain,
    pick,
)


def test_entropy_by_hand():
    np.testing.assert_allclose(entropy([0.5, 0.25, 0.0, 1.0]), [1, 0.8113, 0, 0], atol=1e-4)


def test_of_two_alike_the_second_waits_for_one_that_differs():
    score = np.array([0.5, 0.49, 0.3, 0.01])
    embedding = np.array([[0, 0], [0, 0.01], [5, 0], [0, 9]], float)
    assert most_uncertain(score, embedding, 2).tolist() == [0, 2]
    assert most_uncertain(score, embedding, 9).tolist()[:3] == [0, 2, 3]
    assert sorted(most_uncertain(score, embedding, 9)) == [0, 1, 2, 3]
    assert most_uncertain(score[:0], embedding[:0], 3).tolist() == []


def test_each_kind_has_its_share_and_its_side():
    random = np.random.default_rng(0)
    scores, embedding = random.random((300, 2)), random.normal(size=(300, 4))
    scores[:, 1] *= 0.4  # nothing that could be suspicious
    held, open_ = np.arange(300) % 5 == 0, np.ones((300, 2), bool)
    open_[:100, 0] = False
    episodes = np.arange(300) + 1000
    questions = pick(scores, embedding, episodes, open_, held, 40, 0.25, random)
    of = {(t, why): [q for q in questions if (q.task, q.why) == (t, why)]
          for t in (0, 1) for why in (UNCERTAIN, SUSPICIOUS, BLIND)}  # fmt: skip
    assert {key: len(found) for key, found in of.items()} == {
        (0, UNCERTAIN): 15, (0, SUSPICIOUS): 15, (0, BLIND): 10,
        (1, UNCERTAIN): 30, (1, SUSPICIOUS): 0, (1, BLIND): 10,
    }  # fmt: skip
    assert all(q.score >= 0.5 for q in of[0, SUSPICIOUS])
    assert all(held[q.episode - 1000] == (q.why == BLIND) for q in questions)
    assert all(q.episode >= 1100 for q in questions if q.task == 0)
    assert all(q.score == pytest.approx(scores[q.episode - 1000, q.task]) for q in questions)
    assert len({(q.episode, q.task) for q in questions}) == len(questions)


def test_the_first_of_all_tasks_and_kinds_come_before_the_second_of_any():
    questions = [
        Question(number, task, 0.5, why)
        for task, why, count in ((0, UNCERTAIN, 9), (0, BLIND, 2), (1, UNCERTAIN, 1))
        for number in range(count)
    ]
    kept = most_helpful(questions, 5)
    assert [(q.task, q.why, q.episode) for q in kept] == [
        (0, UNCERTAIN, 0), (0, BLIND, 0), (1, UNCERTAIN, 0), (0, UNCERTAIN, 1), (0, BLIND, 1),
    ]  # fmt: skip
