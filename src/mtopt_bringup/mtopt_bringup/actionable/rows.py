"""The rows of the tables: Actionable Models, its parts left out one by one, another method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_learning.train.config import TrainConfig
from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: In files and on the command line.
        title: In tables.
        proposes: Whether Q chooses among what a cloned policy proposes; else among all actions.
        clone: Whether it is goal-conditioned behaviour cloning; else it is a Q-function.
        every_way: Whether such cloning is of every sub-sequence, see `CloneConfig`.
        negatives: Whether actions that nobody took are pushed down.
        chaining: Whether goals of other episodes are drawn.
        join: Where a goal picture joins the network.
    """

    name: str
    title: str
    proposes: bool = False
    clone: bool = False
    every_way: bool = False
    negatives: bool = True
    chaining: bool = True
    join: str = "input"

    def train_config(self, config: GoalsConfig, seed: int) -> TrainConfig:
        """The trainer's settings of this row."""
        goals = config.train.goals
        pairs = goals.pairs if self.chaining else replace(goals.pairs, chained_share=0.0)
        goals = replace(
            goals, batch=config.goal_batch, pairs=pairs, join=self.join,
            negative_weight=goals.negative_weight if self.negatives else 0.0,
            behaviour_weight=goals.behaviour_weight if self.proposes else 0.0,
        )  # fmt: skip
        return replace(config.train, batch=0, goals=goals, seed=config.seed + seed)


FIRST = "actionable"
ROWS = (
    Row(FIRST, "Actionable Models, Q among proposals", proposes=True),
    Row("searched", "Actionable Models, Q among all actions (CEM)"),
    Row("no_negatives", "the same without negatives", negatives=False),
    Row("no_chaining", "the same without goal chaining", chaining=False),
    Row(
        "neither", "without both (hindsight Q-learning with the bound)", negatives=False,
        chaining=False,
    ),
    Row("clone", "goal-conditioned behaviour cloning of direct ways", clone=True),
    Row(
        "clone_all", "goal-conditioned behaviour cloning of every sub-sequence", clone=True,
        every_way=True,
    ),
    Row("late", "Q among all actions (CEM), goal joined late, not at the input", join="late"),
)  # fmt: skip
"""How all of them differ from the paper: docs/experiments.md."""


def chosen_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """These rows in the tables' order, or all (`InputError` for an unknown one)."""
    known = [row.name for row in ROWS]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError("rows", where="experiment", got=unknown, expected=known)
    return tuple(row for row in ROWS if not names or row.name in names)
