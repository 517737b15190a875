"""`mtopt benchmark policy`: latency of the policy node, and the gain of the late merge."""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mtopt_bringup.number_types import nonnegative_int, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "--checkpoint", type=Path, help="a Q-function; default: an untrained one of the same size"
    )
    parser.add_argument("--robots", type=positive_int, default=7, help="requests at once")
    parser.add_argument("--rounds", type=positive_int, default=200, help="times all robots ask")
    parser.add_argument(
        "--threads", type=nonnegative_int, default=1, help="of torch in the policy node"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Asks a policy node over ROS as a cell does, then the policy itself both ways."""
    import torch

    from mtopt_learning.checkpoint.q_function import QFunction, load_q_function, save_q_function
    from mtopt_learning.policy.q_policy import QFunctionPolicy
    from mtopt_learning.qlearn.network import QNetwork, default_network
    from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
    from mtopt_spec.resources import share_dir
    from mtopt_spec.task import load_tasks

    torch.set_num_threads(max(arguments.threads, 1))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = arguments.checkpoint
        if checkpoint is None:
            names = load_tasks(share_dir() / "params" / "tasks.yaml").names
            network = QNetwork(default_network(len(names), dict(DEFAULT_IMAGE_SIZES)))
            checkpoint = Path(folder) / "checkpoint"
            save_q_function(checkpoint, QFunction(network, names, dict(DEFAULT_IMAGE_SIZES)), {})
        q_function = load_q_function(checkpoint)
        node_ms = _ask_node(checkpoint, q_function, arguments)
    requests = _requests(q_function, arguments.robots, 0)
    policy = QFunctionPolicy(q_function)
    tiled = _seconds(lambda: policy.choose(requests))
    naive = _seconds(lambda: _whole_network_once_a_sample(q_function, requests), least=3)
    return {
        "p50_ms": float(np.percentile(node_ms, 50)),
        "p99_ms": float(np.percentile(node_ms, 99)),
        "speedup_over_naive": naive / tiled,
        "policy_ms": 1e3 * tiled,
        "naive_ms": 1e3 * naive,
        "robots": arguments.robots,
        "rounds": len(node_ms),
    }


def _ask_node(checkpoint: Path, q_function, arguments) -> np.ndarray:
    """(rounds,) ms from the first request sent to the last answer received."""
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter

    from mtopt_bringup.domain import free_domain
    from mtopt_learning.policy.policy_node import PolicyNode
    from mtopt_msgs.srv import ChooseAction
    from mtopt_spec import ros_messages
    from mtopt_spec.resources import share_dir

    context = Context()
    parameters = str(share_dir() / "params" / "policy_node.yaml")
    rclpy.init(
        args=["--ros-args", "--params-file", parameters], context=context, domain_id=free_domain()
    )
    overrides = [
        Parameter("checkpoint", value=str(checkpoint)),
        Parameter("threads", value=max(arguments.threads, 1)),
    ]
    served = SingleThreadedExecutor(context=context)
    asking = SingleThreadedExecutor(context=context)
    node = PolicyNode(context=context, parameter_overrides=overrides)
    probe = rclpy.create_node("benchmark", context=context)
    served.add_node(node)
    asking.add_node(probe)
    thread = threading.Thread(target=served.spin, daemon=True)
    thread.start()
    try:
        client = probe.create_client(ChooseAction, "/choose_action")
        if not client.wait_for_service(timeout_sec=20.0):
            raise RuntimeError("the policy node did not come up within 20 s")
        spent = []
        for step in range(arguments.rounds + 10):
            messages = [
                ros_messages.to_choose_request(request)
                for request in _requests(q_function, arguments.robots, step % 20)
            ]
            begun = time.perf_counter()
            futures = [client.call_async(message) for message in messages]
            while not all(future.done() for future in futures):
                asking.spin_once(timeout_sec=5.0)
            spent.append(1e3 * (time.perf_counter() - begun))
            errors = [f.result().error_msg for f in futures if f.result().error_code]
            if errors:
                raise RuntimeError(f"the policy node refused: {errors[0]}")
        return np.array(spent[10:])  # the first ones warm up
    finally:
        served.shutdown()
        asking.shutdown()
        thread.join(timeout=5.0)
        node.destroy_node()
        probe.destroy_node()
        context.try_shutdown()


def _requests(q_function, robots: int, step: int) -> list:
    """Requests of all robots with random pictures."""
    from mtopt_spec.image_codec import encode_jpeg
    from mtopt_spec.interfaces import PolicyRequest
    from mtopt_spec.observation import Observation

    random = np.random.default_rng(step)
    out = []
    for robot in range(robots):
        pictures = {
            camera: encode_jpeg(random.integers(0, 256, (*size, 3), dtype=np.uint8))
            for camera, size in q_function.cameras.items()
        }
        observation = Observation(0.2 * step, pictures, False, 0.1, (0.0, 0.0, 0.2, 0.0))
        out.append(
            PolicyRequest(
                f"robot_{robot + 1}", f"episode-{robot}", step, robot,
                q_function.tasks[robot % len(q_function.tasks)], "qfunction", observation,
            )
        )  # fmt: skip
    return out


def _whole_network_once_a_sample(q_function, requests) -> None:
    """The same search, with the pictures put through the network for every sampled action."""
    import torch

    from mtopt_learning.qlearn.cem import CemConfig, draw_noise, maximise
    from mtopt_spec.image_codec import decode_jpeg

    cem, n, network = CemConfig(), len(requests), q_function.network
    images = {
        camera: torch.from_numpy(
            np.stack([decode_jpeg(r.observation.images_jpeg[camera]) for r in requests])
        ).permute(0, 3, 1, 2)
        for camera in q_function.cameras
    }
    state = torch.from_numpy(np.stack([r.observation.state() for r in requests]))
    task = torch.tensor([q_function.tasks.index(r.task) for r in requests])

    def score(code):
        samples = code.shape[1]
        wide = {c: image.repeat_interleave(samples, 0) for c, image in images.items()}
        embedding = network.embed(wide, state.repeat_interleave(samples, 0))
        action = code.reshape(n * samples, 1, -1)
        return network.q(embedding, task.repeat_interleave(samples), action).view(n, samples)

    with torch.inference_mode():
        maximise(score, n, cem, *draw_noise(n, cem))


def _seconds(call, least: int = 20) -> float:
    """Median time of a call."""
    call()
    spent = []
    for _ in range(least):
        begun = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent))
