"""Learns a Q-function of tasks, of goal pictures or of both; in one go, or as the data grows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from mtopt_learning.qlearn.distortion import draw_light, lit
from mtopt_learning.qlearn.networks import AnyNetworkConfig
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.devices import autocast, choose_device
from mtopt_learning.train.diagnostics import closing_aucs
from mtopt_learning.train.goal_batches import GoalBatches
from mtopt_learning.train.goal_objective import goal_losses, goal_targets
from mtopt_learning.train.labelled_batches import LabelledBatches, ReadyBatch
from mtopt_learning.train.labelling import noise_of
from mtopt_learning.train.learning_data import LearningData, check_cameras
from mtopt_learning.train.learning_rate import decayed
from mtopt_learning.train.objective import cloning_loss, losses, map_loss
from mtopt_learning.train.own_network import check_network, make_network, with_proposers
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.self_calibration import calibrate_map
from mtopt_learning.train.target_copies import TargetCopies
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList


def not_finite(what: str, step: int) -> InputError:
    """What to tell of weights that are lost."""
    return InputError(
        what, where=f"training, by step {step}", got="not a number, or infinity",
        expected="finite numbers", todo="nothing is saved: --resume goes on from the last "
        "checkpoint; build the data set anew, or lower --learning-rate",
    )  # fmt: skip


Writer = Callable[[dict], None]
"""Takes one record of metrics."""


class Trainer:
    """Weights and optimiser of a run; with the step and the seed, all that exact resuming needs.

    Every random draw depends on the seed, its purpose and the step alone. Call `close` when an
    updater process was asked for; it ends with the program otherwise.

    Args:
        tasks: The cell's tasks: the network's task input has their order.
        cameras: Camera name to (height, width) of its picture, px.
        config: Settings.
        network: The network's settings, or None for those that `config` names.

    Attributes:
        dataset: What is learned from, once it is set.
        data, batches: What the steps of tasks take from it; None where only goals are learned.
        goal_batches: What those of goals take; None where only tasks are learned.
        store: The data set's pictures.
        phase: Makes what times a part of the step by its name; set it before `set_data`.
    """

    phase: Callable[[str], AbstractContextManager] = staticmethod(nullcontext)

    def __init__(
        self,
        tasks: TaskList,
        cameras: dict[str, tuple[int, int]],
        config: TrainConfig,
        network: AnyNetworkConfig | None = None,
    ):
        self.tasks, self.config = tasks, config
        self.device = choose_device(config.device)
        online = make_network(tasks, cameras, config, network)
        self.online: TwoStageQ = online.to(self.device, memory_format=torch.channels_last)
        self.cameras = {camera: tuple(cameras[camera]) for camera in self.online.input_px}
        self.copies = TargetCopies(self.online, config.lagged_copy_steps)
        self.optimizer = torch.optim.Adam(
            self.online.parameters(), lr=config.learning_rate, fused=True
        )
        self.step = 0
        self.seconds = 0.0
        self.dataset = None
        self.data: LearningData | None = None
        self.batches: LabelledBatches | None = None
        self.goal_batches: GoalBatches | None = None
        self.set_config(config)

    @property
    def average(self) -> TwoStageQ:
        """The averaged copy: what acts."""
        return self.copies.average

    def set_config(self, config: TrainConfig) -> None:
        """Goes on with other settings; that of weights already made (seed) has no effect.

        Tasks whose proposals another one takes are learned beside it: those of each object beside
        that of any. Call `set_data` after it.

        Raises:
            InputError: The settings ask for another network.
        """
        check_network(self.online, config)
        self.config = config = with_proposers(config, self.online, self.tasks)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.copies.set_lag(config.lagged_copy_steps)

    def start_from(self, network: TwoStageQ) -> None:
        """Takes over a trained network's weights, before the first step: fine-tuning.

        Raises:
            InputError: It is of another configuration, or steps have been taken.
        """
        if self.step:
            raise InputError(
                "step", where="trainer", got=self.step, expected=0,
                todo="go on with a run by resuming it",
            )  # fmt: skip
        if network.config != self.online.config:
            raise InputError(
                "network of the checkpoint", where="trainer", got=network.config,
                expected=self.online.config,
                todo="name its own network, cameras and tasks, or train from scratch",
            )  # fmt: skip
        for copy in self._all_copies:
            copy.load_state_dict(network.state_dict())

    def set_data(self, dataset, labels: np.ndarray | None = None) -> None:
        """Learns from this data set from now on; arguments and errors as `LearningData.of`."""
        self.close()
        config, self.dataset = self.config, dataset
        self.data = self.batches = self.goal_batches = None
        if config.batch:
            self.data = LearningData.of(dataset, labels, self.tasks, self.cameras, config)
        else:
            check_cameras(dataset, self.cameras)
        self.store = PictureStore(dataset.images, self.online.input_px, self.device)
        calibrate_map(self._all_copies, dataset, self.store, config.seed)
        if config.batch:
            self.batches = LabelledBatches(
                self.data, self.store, self.copies, config, self.device, self._taught_camera,
                self.phase,
            )  # fmt: skip
        if config.goals.batch:
            self.goal_batches = GoalBatches(
                dataset, self.store, config, self.device, self._taught_camera
            )

    @property
    def _taught_camera(self) -> str:
        """Whose picture has an affordance map that learns; empty: none has."""
        taught = self.config.affordance_weight > 0
        return getattr(self.online.config, "map_camera", "") if taught else ""

    @property
    def _all_copies(self) -> list[TwoStageQ]:
        copies = self.copies.average, self.copies.lagged, self.copies.lagged_next
        return [self.online, *(copy for copy in copies if copy is not None)]

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Task to failed and successful episodes that count for it."""
        if self.data is None:
            return {}
        return {
            n: (int(b), int(g))
            for n, (b, g) in zip(self.tasks.names, self.data.sampler.counts, strict=True)
        }

    def close(self) -> None:
        """Ends the updater process and the threads that prepare batches."""
        for batches in (self.batches, self.goal_batches):
            if batches is not None:
                batches.close()

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

        Raises:
            InputError: No data, or a loss that is not finite.
        """
        if self.dataset is None:
            raise InputError("data", where="trainer", got="none", expected="set_data first")
        begun, done, reports, record = time.monotonic(), 0, [], {}
        while (steps is None or done < steps) and (
            seconds is None or time.monotonic() - begun < seconds
        ):
            reports.append(self.gradient_step())
            done += 1
            if progress:
                progress(done)
            if self.step % log_every == 0:
                record = self._record(reports, self.seconds + time.monotonic() - begun)
                reports = []
                if write:
                    write(record)
        self.seconds += time.monotonic() - begun
        if reports:
            record = self._record(reports, self.seconds)
            if write:
                write(record)
        return record

    def gradient_step(self, ready: ReadyBatch | None = None) -> dict[str, torch.Tensor | float]:
        """One step, on the next batch or on this one; its figures may still be on the device."""
        parts, report = [], {}
        if self.batches is not None:
            loss, figures = self._task_loss(ready)
            parts.append(loss)
            report.update(figures)
        if self.goal_batches is not None:
            loss, figures = self._goal_loss()
            parts.append(self.config.goals.weight * loss if self.batches is not None else loss)
            report.update(figures)
        with self.phase("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            sum(parts).backward()
        with self.phase("optimiser"):
            rate = decayed(self.config.learning_rate, self.step, self.config.decay_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            torch.nn.utils.clip_grad_norm_(self.online.parameters(), self.config.gradient_norm)
            self.optimizer.step()
            self.step += 1
            self.copies.move(self.online, self.step, self.config.polyak)
        if self.batches is not None:
            self.batches.weights_moved(self.step)
        return report

    def _task_loss(self, ready: ReadyBatch | None) -> tuple[torch.Tensor, dict]:
        config, step = self.config, self.step
        item = self.batches.labelled(ready or self.batches.ready(step), step)
        light = draw_light(len(item.state), config.distortion, noise_of(config, "light", step))
        light = light.to(self.device)
        with self.phase("forward"), autocast(self.device, config.bf16):
            pictures = {camera: lit(image, light) for camera, image in item.pictures.items()}
            embedding, scores = self.online.embed_and_map(pictures, item.state)
            loss, report = losses(
                self.online, embedding, item.batch, item.target, config,
                noise_of(config, "unseen", step),
            )  # fmt: skip
            first = None
            if item.first is not None:
                first = lit(item.first, light.first(len(item.first)))
                seen = map_loss(scores, self.online.look(first), item.batch)
                loss = loss + config.affordance_weight * seen
                report["affordance_loss"] = seen.detach()
            if self.online.proposes_tasks and config.behaviour_weight:
                cloned = cloning_loss(
                    self.online.behaviour, pictures, item.state, first, item.batch,
                    config.affordance_weight,
                )  # fmt: skip
                loss = loss + config.behaviour_weight * cloned
                report["behaviour_loss"] = cloned.detach()
        return loss, {**report, **item.figures}

    def _goal_loss(self) -> tuple[torch.Tensor, dict]:
        config, step = self.config, self.step
        with self.phase("data"):
            batch = self.goal_batches.take(step)
        with self.phase("targets"), autocast(self.device, config.bf16):
            target = goal_targets(batch, self.copies.networks, config)
        count = len(batch.state)
        light = draw_light(count, config.distortion, noise_of(config, "state light", step))
        light = light.to(self.device)
        with self.phase("forward"), autocast(self.device, config.bf16):
            return goal_losses(
                self.online, batch, target, light, config, noise_of(config, "negatives", step)
            )

    def _record(self, reports: list[dict], seconds: float) -> dict:
        record = {"step": self.step, "seconds": round(seconds, 2)}
        for key in dict.fromkeys(key for report in reports for key in report):
            values = [report[key] for report in reports if key in report]
            on_device = isinstance(values[0], torch.Tensor)
            record[key] = float(torch.stack(values).mean() if on_device else np.mean(values))
        for key in {"loss", "goal_loss"} & record.keys():
            if not math.isfinite(record[key]):
                raise not_finite(key, self.step)
        if self.batches is not None:
            record.update(self.batches.about(self.tasks.names))
            record["closing_auc"] = self.closing_auc()
        return record

    def closing_auc(self, episodes: int = 256) -> dict[str, float]:
        """Task to how well Q at the deciding moment tells held-out outcomes apart (AUC)."""
        with autocast(self.device, self.config.bf16):
            return closing_aucs(
                self.average, self.data, self.store, self.tasks, self.config.tasks, episodes
            )
