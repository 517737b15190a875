"""The rows of the tables: each changes one thing of MT-Opt, or is another method."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mtopt_bringup.paper.config import LIFT_ANY, PLACE_ANY, PaperConfig
from mtopt_learning.train.config import TrainConfig
from mtopt_spec.errors import InputError

LEARNERS = ("q", "clone", "iql")
ONLINE = "proposals"
"""The row that goes on with its own episodes after the comparison."""


@dataclass(frozen=True)
class Arm:
    """One row.

    Attributes:
        name: In files and on the command line.
        title: In tables.
        learner: `q` (ours), `clone` (behaviour cloning, ours), `iql` (d3rlpy's).
        tasks: It learns; none: all.
        sharing: Impersonation.
        balance: `rebalanced` or `uniform`.
        tasks_per_state: That a drawn state is learned for; 0: as `TrainConfig` says.
        backup: V(s'); empty: the default.
        multi_head: One output a task.
        cameras: It sees; none: all.
        affordance_map: Whether its network has one.
        proposals: Whether Q chooses among what a clone of successes proposes.
    """

    name: str
    title: str
    learner: str = "q"
    tasks: tuple[str, ...] = ()
    sharing: str = "f_skill"
    balance: str = "rebalanced"
    tasks_per_state: int = 0
    backup: str = ""
    multi_head: bool = False
    cameras: tuple[str, ...] = ()
    affordance_map: bool = True
    proposals: bool = False

    def train_config(self, base: TrainConfig, seed: int) -> TrainConfig:
        """The trainer's settings of this row."""
        sampler = replace(
            base.sampler, balance=self.balance,
            tasks_per_state=self.tasks_per_state or base.sampler.tasks_per_state,
        )  # fmt: skip
        return replace(
            base, tasks=self.tasks, sharing=self.sharing, sampler=sampler, seed=seed,
            backup=self.backup or base.backup, multi_head=self.multi_head,
            cameras=self.cameras, proposals=self.proposals,
            affordance_weight=base.affordance_weight if self.affordance_map else 0.0,
        )  # fmt: skip


def _single(task: str) -> Arm:
    name = "single_" + task.replace("-", "_")
    return Arm(
        name, f"single task: {task}", tasks=(task,), sharing="f_orig", balance="uniform",
        tasks_per_state=1,
    )  # fmt: skip


ARMS = (
    Arm("mt_opt", "MT-Opt (f_skill, re-balanced)"),
    Arm("naive", "QT-Opt multi-task, naive (f_orig, uniform)", sharing="f_orig", balance="uniform"),
    Arm("share_all", "share everything (f_all, uniform)", sharing="f_all", balance="uniform"),
    Arm(
        "share_all_once", "share everything, each state for one task, as published",
        sharing="f_all", balance="uniform", tasks_per_state=1,
    ),
    Arm("orig_rebalanced", "f_orig, re-balanced", sharing="f_orig"),
    Arm("all_rebalanced", "f_all, re-balanced", sharing="f_all"),
    Arm("skill_uniform", "f_skill, uniform", balance="uniform"),
    _single("lift-any"),
    _single("lift-sausage"),
    _single("lift-carrot"),
    Arm("two_tasks", "MT-Opt on two tasks", tasks=(LIFT_ANY, PLACE_ANY)),
    Arm("multi_head", "a head a task", multi_head=True),
    Arm("cem_max", "published backup (cem_max)", backup="cem_max"),
    Arm(ONLINE, "MT-Opt, Q among a clone's proposals", proposals=True),
    Arm("shoulder", "shoulder camera only", cameras=("shoulder",)),
    Arm("no_map", "without the affordance map", affordance_map=False),
    Arm("clone", "behaviour cloning of successes", learner="clone"),
    Arm("iql", "IQL of d3rlpy", learner="iql", sharing="f_orig", balance="uniform"),
)  # fmt: skip
ROUNDS_TITLE = next(arm.title for arm in ARMS if arm.name == ONLINE) + ", then on-policy rounds"


def chosen_arms(config: PaperConfig) -> tuple[Arm, ...]:
    """The rows of an experiment, in the tables' order (`InputError` for an unknown one)."""
    known = [arm.name for arm in ARMS]
    unknown = sorted(set(config.arms) - set(known))
    if unknown:
        raise InputError("rows", where="experiment", got=unknown, expected=known)
    return tuple(arm for arm in ARMS if not config.arms or arm.name in config.arms)
