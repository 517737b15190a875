"""Learns a multi-task Q-function from a data set; in one go, or in bursts as the data grows."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch

from mtopt_learning.qlearn.actions import CODE_SIZE, terminate_code
from mtopt_learning.qlearn.cem import draw_noise, maximise
from mtopt_learning.qlearn.losses import bellman_loss, conservative_loss
from mtopt_learning.qlearn.network import NetworkConfig, QNetwork, default_network
from mtopt_learning.qlearn.targets import (
    bellman_target,
    clipped_double,
    monte_carlo_bound,
    monte_carlo_return,
    value_at_limit,
)
from mtopt_learning.relabel.impersonation import sharing_index
from mtopt_learning.relabel.sampler import StepSampler, describe
from mtopt_learning.train.batches import Transitions, pictures, proprioception, transitions
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.diagnostics import CLOSE_COLUMN, OPEN_COLUMN, closing_auc, gripper_steps
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason
from mtopt_spec.task import TaskList

Writer = Callable[[dict], None]
"""Takes one record of metrics."""


def processor_has_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here."""
    return bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


class Trainer:
    """Weights, optimiser and random numbers of a run; everything that exact resuming needs.

    Args:
        tasks: The cell's tasks: the network's task input has their order.
        cameras: Camera name to (height, width) of its picture, px.
        config: Settings.
        network: The network, or None for `default_network`.
    """

    def __init__(
        self,
        tasks: TaskList,
        cameras: dict[str, tuple[int, int]],
        config: TrainConfig,
        network: NetworkConfig | None = None,
    ):
        for name in config.tasks:
            tasks.index_of(name)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.tasks, self.cameras, self.config = tasks, dict(cameras), config
        network = network or default_network(len(tasks), self.cameras, config.multi_head)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.online = QNetwork(network)
        self.online = self.online.to(memory_format=torch.channels_last)
        self.average = _frozen_copy(self.online)
        self.lagged = _frozen_copy(self.online) if config.lagged_copy_steps else None
        self.lagged_next = _frozen_copy(self.online) if config.lagged_copy_steps else None
        self.optimizer = torch.optim.Adam(
            self.online.parameters(), lr=config.learning_rate, fused=True
        )
        self.step = 0
        self.seconds = 0.0
        self.random = np.random.default_rng([config.seed, 1])
        self.noise = torch.Generator().manual_seed(config.seed + 1)
        self._bf16 = config.bf16 and processor_has_bf16()
        self.dataset = None

    def set_data(self, dataset, labels: np.ndarray | None = None) -> None:
        """Learns from this data set from now on.

        Args:
            dataset: A `Dataset`; its tasks and pictures must be the trainer's.
            labels: (episodes, tasks) success; None takes the data set's best.

        Raises:
            InputError: Tasks or pictures differ, or nothing in it is labelled.
        """
        if tuple(dataset.tasks) != self.tasks.names:
            raise InputError(
                "tasks", where="data set", got=list(dataset.tasks), expected=list(self.tasks.names),
                todo="build the data set with the cell's task file",
            )  # fmt: skip
        sizes = {camera: tuple(size) for camera, size in dataset.cameras.items()}
        for camera, size in self.cameras.items():
            if sizes.get(camera) != tuple(size):
                raise InputError(
                    f"pictures of {camera}", where="data set", got=sizes.get(camera), expected=size
                )
        labels = dataset.labels("best") if labels is None else labels
        index = sharing_index(dataset, self.tasks, labels, self.config.sharing)
        wanted = np.array(
            [not self.config.tasks or n in self.config.tasks for n in self.tasks.names]
        )
        every = self.config.holdout_every
        held = np.arange(len(labels)) % every == every - 1 if every else np.zeros(len(labels), bool)
        void = held | (dataset.episode_reason == EndReason.FAULT)
        steps = np.where(void, 0, dataset.episode_steps)
        self._sampler = StepSampler(
            index, steps, self.config.sampler, wanted.astype(float), gripper_steps(dataset),
            dataset.episode_task,
        )  # fmt: skip
        self._index, self._held, self.dataset = index, np.flatnonzero(held), dataset

    def set_config(self, config: TrainConfig) -> None:
        """Goes on with other settings; those of weights already made (seed) have no effect.

        Call `set_data` after it.
        """
        self.config = config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate
        if config.threads:
            torch.set_num_threads(config.threads)
        if config.lagged_copy_steps and self.lagged is None:
            self.lagged, self.lagged_next = _frozen_copy(self.average), _frozen_copy(self.average)
        self._bf16 = config.bf16 and processor_has_bf16()

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Task to failed and successful episodes that count for it."""
        return {
            n: (int(b), int(g))
            for n, (b, g) in zip(self.tasks.names, self._sampler.counts, strict=True)
        }

    def train(
        self,
        steps: int | None = None,
        seconds: float | None = None,
        write: Writer | None = None,
        log_every: int = 100,
        progress: Callable[[int], None] | None = None,
    ) -> dict:
        """Takes gradient steps until `steps` or `seconds` are over, whichever is first.

        Args:
            steps: At most so many.
            seconds: At most so long.
            write: Gets a record of metrics every `log_every` steps and at the end.
            log_every: Steps between records.
            progress: Told the number of steps done, after each.

        Returns:
            The last record.
        """
        if self.dataset is None:
            raise InputError("data", where="trainer", got="none", expected="set_data first")
        begun, done, sums, record = time.monotonic(), 0, {}, {}
        while (steps is None or done < steps) and (
            seconds is None or time.monotonic() - begun < seconds
        ):
            for key, value in self._gradient_step().items():
                sums.setdefault(key, []).append(value)
            done += 1
            if progress:
                progress(done)
            if self.step % log_every == 0:
                spent = time.monotonic() - begun
                record = self._record(sums, self.seconds + spent)
                sums = {}
                if write:
                    write(record)
        self.seconds += time.monotonic() - begun
        if sums:
            record = self._record(sums, self.seconds)
            if write:
                write(record)
        return record

    def _gradient_step(self) -> dict[str, float]:
        config, dataset = self.config, self.dataset
        draw = self._sampler.draw(config.batch, self.random)
        batch = transitions(dataset, draw)
        ends = (
            self._sampler.draw(config.terminate_states, self.random)
            if config.terminate_states
            else None
        )
        rows = batch.row
        if ends is not None:
            end_rows = dataset.episode_start[ends.episode] + dataset.episode_steps[ends.episode]
            rows = np.concatenate([rows, end_rows])
        states, tasks = batch.task.shape
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            target, value = self._targets(batch)
            embedding = self.online.embed(
                pictures(dataset, self.cameras, rows), proprioception(dataset, rows),
                self._gain(len(rows)),
            )  # fmt: skip
            for_tasks = embedding[:states].repeat_interleave(tasks, 0)
            action = batch.action.repeat_interleave(tasks, 0)[:, None]
            logits = self.online.logits(for_tasks, batch.task.flatten(), action)[..., 0]
            loss = bellman_loss(logits, target.flatten(), batch.weight.flatten())
            report = {"loss": loss, "value": value, "q": torch.sigmoid(logits.detach()).mean()}
            if ends is not None:
                end_logits = self.online.logits(
                    embedding[states:].repeat_interleave(ends.task.shape[1], 0),
                    torch.from_numpy(ends.task).flatten(),
                    terminate_code((ends.task.size, 1)),
                )[..., 0]
                end_loss = bellman_loss(
                    end_logits,
                    torch.from_numpy(ends.success).flatten(),
                    torch.from_numpy(ends.weight).flatten(),
                )
                loss = loss + 0.5 * end_loss
                report["terminate_loss"] = end_loss
            if config.conservative_weight:
                unseen = self._random_actions(states, config.conservative_samples)
                unseen_logits = self.online.logits(embedding[:states], batch.task[:, 0], unseen)
                penalty = conservative_loss(unseen_logits, torch.rand(states, generator=self.noise))
                loss = loss + config.conservative_weight * penalty
                report["conservative_loss"] = penalty
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.online.parameters(), config.gradient_norm)
        self.optimizer.step()
        self.step += 1
        self._move_copies()
        report["batch_success"] = torch.tensor(
            float((draw.success * draw.weight).sum() / draw.weight.sum())
        )
        self._last_draw = draw
        return {key: float(item.detach()) for key, item in report.items()}

    @torch.no_grad()
    def _targets(self, batch: Transitions) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, k) targets, and the mean V(s')."""
        config = self.config
        states, tasks = batch.task.shape

        def column(x):
            return x[:, None].expand(states, tasks)

        recorded = monte_carlo_return(
            batch.success, column(batch.steps_to_go), column(batch.truncated_episode),
            config.gamma, config.step_cost,
        )  # fmt: skip
        if config.backup == "monte_carlo":
            return recorded, recorded.mean()
        value = torch.zeros(states, tasks)
        follow = torch.nonzero(~batch.terminal)[:, 0]
        limit = batch.last & batch.truncated_episode
        if len(follow):
            rows = batch.row[follow.numpy()] + 1
            seen = pictures(self.dataset, self.cameras, rows), proprioception(self.dataset, rows)
            copies = [(c, c.embed(*seen)) for c in (self.average, self.lagged) if c is not None]
            flat = batch.task[follow].flatten()
            if config.backup == "sarsa":
                next_action = batch.next_action[follow].repeat_interleave(tasks, 0)[:, None]
                value[follow] = _value(copies, flat, next_action, tasks).view(-1, tasks)
                search = limit[follow]
            else:
                search = torch.ones(len(follow), dtype=torch.bool)
            if search.any():
                at = torch.nonzero(search)[:, 0]
                some = [(c, embedding[at]) for c, embedding in copies]
                found = self._search(some, batch.task[follow[at]].flatten(), tasks)
                value[follow[at]] = found.view(-1, tasks)
        value = torch.where(column(limit), value_at_limit(batch.success, value), value)
        target = bellman_target(
            batch.success, column(batch.terminal), value, config.gamma, config.step_cost
        )
        if config.lower_bound:
            target = monte_carlo_bound(target, recorded)
        return target, value[follow].mean() if len(follow) else torch.zeros(())

    def _search(self, copies, task, tasks: int) -> torch.Tensor:
        """(states * tasks,) clipped V at the action that CEM finds on the first copy."""
        first, embedding = copies[0]
        wide = embedding.repeat_interleave(tasks, 0)
        noise = draw_noise(len(task), self.config.cem, self.noise)
        action, _ = maximise(
            lambda code: first.q(wide, task, code), len(task), self.config.cem, *noise
        )
        return _value(copies, task, action[:, None], tasks)

    def _random_actions(self, states: int, samples: int) -> torch.Tensor:
        """(states, samples, 7) codes: uniform moves, gripper commands as often as nothing."""
        code = torch.zeros(states, samples, CODE_SIZE)
        code[..., :4] = torch.rand(states, samples, 4, generator=self.noise) * 2 - 1
        code[:, ::2, :4] *= 0.4  # half of them small: hovering is what an untaught Q falls for
        command = torch.randint(0, 4, (states, samples), generator=self.noise)
        code[..., 4] = (command == 2).float()
        code[..., 5] = (command == 3).float()
        return code

    def _gain(self, count: int) -> torch.Tensor | None:
        """(count, 3, 1, 1) factors of colour, one a state."""
        spread = self.config.augment
        if not spread:
            return None
        noise = torch.randn(count, 4, 1, 1, generator=self.noise)
        return 1 + spread * (noise[:, :1] + 0.5 * noise[:, 1:])

    @torch.no_grad()
    def _move_copies(self) -> None:
        fast = list(self.online.parameters())
        torch._foreach_lerp_(list(self.average.parameters()), fast, self._polyak())
        every = self.config.lagged_copy_steps
        if every and self.step % every == 0:
            self.lagged.load_state_dict(self.lagged_next.state_dict())
            self.lagged_next.load_state_dict(self.average.state_dict())

    def _polyak(self) -> float:
        """Faster at the start, so that the copy is not the untrained network for long."""
        return max(self.config.polyak, 1.0 / (self.step + 1))

    @torch.no_grad()
    def _record(self, sums: dict, seconds: float) -> dict:
        record = {"step": self.step, "seconds": round(seconds, 2)}
        record.update({key: float(np.mean(values)) for key, values in sums.items()})
        record["batch"] = describe(self._last_draw, self.tasks.names)
        record["closing_auc"] = self.closing_auc()
        return record

    def closing_auc(self, episodes: int = 256) -> dict[str, float]:
        """Task to how well Q at the deciding moment tells held-out outcomes apart (AUC)."""
        out = {}
        for task, name in enumerate(self.tasks.names):
            if self.config.tasks and name not in self.config.tasks:
                continue
            known = self._held[np.isfinite(self._index[self._held, task])][-episodes:]
            column = CLOSE_COLUMN if self.tasks[task].skill == "lift" else OPEN_COLUMN
            if len(known) >= 10:
                auc = closing_auc(
                    self.average, self.dataset, known, task, self._index[known, task], column
                )
                if np.isfinite(auc):
                    out[name] = round(auc, 4)
        return out


def _value(copies, task, action, tasks: int) -> torch.Tensor:
    """(states * tasks,) clipped double Q of one action each, over all copies and heads."""
    return clipped_double(
        *[c.q(embedding.repeat_interleave(tasks, 0), task, action)[:, 0] for c, embedding in copies]
    )


def _frozen_copy(network: QNetwork) -> QNetwork:
    return copy.deepcopy(network).requires_grad_(False)
