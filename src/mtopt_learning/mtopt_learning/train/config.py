"""The trainer's settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtopt_learning.qlearn.cem import CemConfig
from mtopt_learning.qlearn.targets import BACKUPS
from mtopt_learning.relabel.impersonation import check_sharing
from mtopt_learning.relabel.sampler import SamplerConfig
from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class TrainConfig:
    """What is learned, and how.

    The defaults learn in minutes on two cores from narrow scripted data. The published method is
    `backup="cem_max"` with `heads=1` and `lagged_copy_steps=6000` on broad data; offline on
    narrow data it overestimates, and the recorded next action (`sarsa`) does better.

    Attributes:
        tasks: Names of the tasks to learn; empty: all of the data set.
        multi_head: One output a task on a shared trunk instead of the task as an input.
        sharing: Which episodes count for which task: `f_orig`, `f_all`, `f_skill`, or the
            `module:function` of a `LearnedSharing`.
        sampler: How batches are made up.
        backup: What V(s') is: `sarsa`, `cem_max`, `monte_carlo`.
        lower_bound: Lift targets to what the recorded episode reached.
        gamma: Discount a step.
        step_cost: Subtracted from each step's reward.
        batch: States a step.
        terminate_states: Last states a step, on which Q(s, terminate) learns their label.
        conservative_weight: Of the penalty on random actions; 0 leaves it out.
        conservative_samples: Random actions a state, of which one is drawn.
        learning_rate: Adam's.
        gradient_norm: Longer gradients are shortened to this.
        polyak: Share of the new weights in the averaged copy, each step.
        lagged_copy_steps: A second target copy is the average this many steps ago (to twice
            that many); 0: none.
        cem: Search of the backup (`cem_max`, and the last states of truncated episodes).
        augment: Spread of random gain, each colour of each picture.
        holdout_every: Every n-th episode is kept for diagnosis; 0: none.
        bf16: Compute in bfloat16 where the processor has it.
        threads: Of torch; 0 leaves them as they are.
        seed: Of weights and draws.
    """

    tasks: tuple[str, ...] = ()
    multi_head: bool = False
    sharing: str = "f_skill"
    sampler: SamplerConfig = field(default_factory=lambda: SamplerConfig(tasks_per_state=3))
    backup: str = "sarsa"
    lower_bound: bool = True
    gamma: float = 0.9
    step_cost: float = 0.0
    batch: int = 128
    terminate_states: int = 24
    conservative_weight: float = 1.0
    conservative_samples: int = 8
    learning_rate: float = 8e-4
    gradient_norm: float = 10.0
    polyak: float = 0.005
    lagged_copy_steps: int = 0
    cem: CemConfig = field(default_factory=lambda: CemConfig(samples=32, elites=6))
    augment: float = 0.08
    holdout_every: int = 25
    bf16: bool = True
    threads: int = 0
    seed: int = 0

    def __post_init__(self):
        if self.backup not in BACKUPS:
            raise InputError(
                "backup", where="train config", got=repr(self.backup), expected=BACKUPS
            )
        check_sharing(self.sharing, "train config")
        for name in ("batch", "learning_rate", "polyak"):
            if getattr(self, name) <= 0:
                raise InputError(
                    name, where="train config", got=getattr(self, name), expected="above 0"
                )
        if not 0 < self.gamma <= 1:
            raise InputError("gamma", where="train config", got=self.gamma, expected="in (0, 1]")
