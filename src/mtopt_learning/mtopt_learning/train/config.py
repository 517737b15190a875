"""The trainer's settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtopt_learning.qlearn.cem import CemConfig
from mtopt_learning.qlearn.distortion import DistortionConfig
from mtopt_learning.qlearn.networks import NETWORKS
from mtopt_learning.qlearn.targets import BACKUPS
from mtopt_learning.relabel.hindsight import HindsightConfig
from mtopt_learning.relabel.impersonation import check_sharing
from mtopt_learning.relabel.sampler import SamplerConfig
from mtopt_learning.train.devices import DEVICES
from mtopt_spec.errors import InputError

UPDATERS = ("inline", "process")


@dataclass(frozen=True)
class UpdaterConfig:
    """Who labels batches with Bellman targets.

    Attributes:
        kind: `inline`, the trainer before each step; or `process`, a Bellman updater beside it.
        publish_steps: The updater gets new weights every so many gradient steps.
        max_staleness_steps: Batches labelled with weights older than this are refused.
        queue_batches: Labelled batches that wait at most.
        threads: Of torch in the updater.
    """

    kind: str = "inline"
    publish_steps: int = 10
    max_staleness_steps: int = 50
    queue_batches: int = 4
    threads: int = 1

    def __post_init__(self):
        if self.kind not in UPDATERS:
            raise InputError("kind", where="updater config", got=repr(self.kind), expected=UPDATERS)
        if not 0 < self.publish_steps <= self.max_staleness_steps:
            raise InputError(
                "publish_steps", where="updater config", got=self.publish_steps,
                expected=f"1 to max_staleness_steps ({self.max_staleness_steps})",
            )  # fmt: skip
        if self.queue_batches < 1:
            raise InputError(
                "queue_batches",
                where="updater config",
                got=self.queue_batches,
                expected="1 or more",
            )


@dataclass(frozen=True)
class GoalConfig:
    """Learning to reach goal pictures (Actionable Models): alone, or beside tasks.

    Attributes:
        batch: Steps with goals a gradient step; 0: goals are not learned.
        join: Where a goal picture joins the network: `input` or `late`.
        weight: Of their loss beside that of tasks.
        pairs: How states and goals are paired.
        negative_weight: Of the loss on actions that nobody took; 0 leaves it out.
        negative_samples: Random actions a state, of which one is drawn.
        negative_temperature: Of that draw, in units of Q. Published: 1.
        reached_states: States a step that are where their goals show them: there Q(s, terminate)
            learns 1, elsewhere 0; and as many near misses of the same goals.
        lower_bound: Lift targets of hindsight goals to what the recorded way was worth.
        behaviour_weight: Of the loss of a cloned policy to hindsight goals, which proposes the
            actions that Q chooses among; 0: a new network has none, and CEM searches all actions.
            It needs goals that join at the input: with `late` there is none.
        blank_share: Of the steps, whose goal is not shown: what is done to any, which a task
            begins with, whose goal pictures are blank.
    """

    batch: int = 0
    join: str = "input"
    weight: float = 1.0
    pairs: HindsightConfig = HindsightConfig()
    negative_weight: float = 1.0
    negative_samples: int = 16
    negative_temperature: float = 0.1
    reached_states: int = 16
    lower_bound: bool = True
    behaviour_weight: float = 1.0
    blank_share: float = 0.0

    def __post_init__(self):
        for name, least in (
            ("batch", 0), ("weight", 0), ("behaviour_weight", 0), ("negative_weight", 0),
            ("negative_samples", 1), ("negative_temperature", 1e-6), ("reached_states", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise InputError(
                    name, where="goals", got=getattr(self, name), expected=f"at least {least}"
                )
        if not 0 <= self.blank_share <= 1:
            raise InputError(
                "blank_share", where="goals", got=self.blank_share, expected="in [0, 1]"
            )
        if self.join not in ("input", "late"):
            raise InputError("join", where="goals", got=repr(self.join), expected="input or late")


@dataclass(frozen=True)
class TrainConfig:
    """What is learned, and how.

    The defaults learn in minutes on two cores from narrow scripted data. The published method is
    `backup="cem_max"` with `heads=1` and `lagged_copy_steps=6000` on broad data; offline on
    narrow data it overestimates, and the recorded next action (`sarsa`) does better.

    Attributes:
        tasks: Names of the tasks to learn; empty: all of the data set.
        cameras: Those that the network sees; empty: all of the data set.
        network: `small` (for pictures of 32 to 128 px) or `published` (one camera, 472 x 472).
        multi_head: One output a task on a shared trunk instead of the task as an input.
        sharing: Which episodes count for which task: `f_orig`, `f_all`, `f_skill`, or the
            `module:function` of a `LearnedSharing`.
        sampler: How batches are made up.
        backup: What V(s') is: `sarsa`, `cem_max`, `monte_carlo`.
        lower_bound: Lift targets to what the recorded episode reached.
        gamma: Discount a step.
        step_cost: Subtracted from each step's reward.
        batch: States a step; 0: no tasks are learned, only goals.
        terminate_states: Last states a step, on which Q(s, terminate) learns their label.
        undecided_states: States a step from episodes' beginnings, up to that at which the gripper
            first closes or opens, on which Q(s, terminate) learns 0: nothing is decided there.
        conservative_weight: Of the penalty on random actions; 0 leaves it out.
        conservative_samples: Random actions a state, of which one is drawn.
        proposals: Whether a new network clones successes and Q chooses among what the clone
            proposes for a task and those that it includes; else CEM searches all actions.
        behaviour_weight: Of the clone's loss.
        affordance_weight: Of the affordance map's loss; 0 leaves the map out of a new network.
        first_pictures: First pictures of episodes a step, which teach that map.
        learning_rate: Adam's at the start.
        decay_steps: Steps in which it falls to a tenth, where it stays; 0: it never falls.
        gradient_norm: Longer gradients are shortened to this.
        polyak: Share of the new weights in the averaged copy, each step.
        lagged_copy_steps: A second target copy is the average this many steps ago (to twice
            that many); 0: none.
        cem: Search of the backup (`cem_max`, and the last states of truncated episodes).
        distortion: Random changes of light and place.
        updater: Who makes the targets.
        goals: Reaching goal pictures, beside the tasks or alone.
        holdout_every: Every n-th episode is kept for diagnosis; 0: none.
        device: `cpu`, `cuda`, or `auto`: CUDA where there is one.
        bf16: Compute in bfloat16 where the device has it.
        threads: Of torch on the processor; 0 leaves them as they are.
        seed: Of weights and draws.
    """

    tasks: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    network: str = "small"
    multi_head: bool = False
    sharing: str = "f_skill"
    sampler: SamplerConfig = field(default_factory=lambda: SamplerConfig(tasks_per_state=5))
    backup: str = "sarsa"
    lower_bound: bool = True
    gamma: float = 0.9
    step_cost: float = 0.0
    batch: int = 128
    terminate_states: int = 24
    undecided_states: int = 16
    conservative_weight: float = 1.0
    conservative_samples: int = 8
    proposals: bool = False
    behaviour_weight: float = 1.0
    affordance_weight: float = 1.0
    first_pictures: int = 64
    learning_rate: float = 1.6e-3
    decay_steps: int = 0
    gradient_norm: float = 10.0
    polyak: float = 0.005
    lagged_copy_steps: int = 0
    cem: CemConfig = field(default_factory=lambda: CemConfig(samples=32, iterations=2))
    distortion: DistortionConfig = DistortionConfig()
    updater: UpdaterConfig = UpdaterConfig()
    goals: GoalConfig = GoalConfig()
    holdout_every: int = 25
    device: str = "auto"
    bf16: bool = True
    threads: int = 0
    seed: int = 0

    def __post_init__(self):
        for name, value, choices in (
            ("backup", self.backup, BACKUPS),
            ("network", self.network, NETWORKS),
            ("device", self.device, DEVICES),
        ):
            if value not in choices:
                raise InputError(name, where="train config", got=repr(value), expected=choices)
        check_sharing(self.sharing, "train config")
        if self.batch < 0 or not self.batch + self.goals.batch:
            raise InputError(
                "batch, goals.batch", where="train config", got=(self.batch, self.goals.batch),
                expected="one of them above 0", todo="learn tasks, goals, or both",
            )  # fmt: skip
        for name in ("learning_rate", "polyak"):
            if getattr(self, name) <= 0:
                raise InputError(
                    name, where="train config", got=getattr(self, name), expected="above 0"
                )
        for name, value, only, why in (
            ("distortion.shift_px", self.distortion.shift_px, 0, "their pictures are not shifted"),
            ("backup", self.backup, "sarsa", "their targets take Q of the recorded next action"),
            ("step_cost", self.step_cost, 0, "their steps cost nothing"),
        ):
            if value != only and not self.batch:
                raise InputError(
                    name, where="train config", got=repr(value),
                    expected=f"{only!r}, where goals alone are learned: {why}",
                )  # fmt: skip
        if self.decay_steps < 0:
            raise InputError(
                "decay_steps", where="train config", got=self.decay_steps, expected="0 or more"
            )
        if self.behaviour_weight < 0 or self.first_pictures < 1:
            raise InputError(
                "behaviour_weight, first_pictures", where="train config",
                got=(self.behaviour_weight, self.first_pictures), expected="at least (0, 1)",
            )  # fmt: skip
        if not 0 < self.gamma <= 1:
            raise InputError("gamma", where="train config", got=self.gamma, expected="in (0, 1]")
