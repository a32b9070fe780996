"""What a Ray cluster has, and how much of it each step takes."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from senseweave.extras import require

Concurrency: TypeAlias = int | tuple[int, int]
"""How many actors hold the model: a number, or the least and the most."""

TASK_SHARE = 0.999
"""Processors of a reading task: less than those of an actor, since Ray runs steps of equal resources in one process."""


def require_ray(feature: str) -> ModuleType:
    """Return `ray` with `ray.data`, or say how it is installed.

    Raises:
        ImportError: If Ray is missing.
    """
    require("ray.data", extra="ray", feature=feature)
    return require("ray", extra="ray", feature=feature)


def check_concurrency(concurrency: Concurrency) -> tuple[int, int]:
    """Return the least and the largest number of actors.

    Raises:
        ValueError: If it is neither a number from 1 nor two numbers in order.
    """
    least, most = (concurrency, concurrency) if isinstance(concurrency, int) else concurrency
    if not 1 <= least <= most:
        msg = f"concurrency must be a number of actors from 1, or (least, most), not {concurrency!r}"
        raise ValueError(msg)
    return least, most


def processor_shares(available: float, actors: int) -> tuple[float, float]:
    """Return how many processors each actor and each reading task reserve, so that both always find room.

    Args:
        available: Processors of the cluster; 0 if they are not known yet.
        actors: The largest number of actors.
    """
    if available <= 0 or available >= actors + 1:
        return 1.0, TASK_SHARE
    task = TASK_SHARE if available > 1 else available / 3
    # Ray counts processors in steps of 1/10,000; what is rounded up would be one step too many.
    return int((available - task) / actors * 1000) / 1000, task


def actor_options(concurrency: Concurrency, num_gpus: float, batch_size: int) -> tuple[dict[str, Any], float]:
    """Return the options of `map_batches` for actors, and the processors that a reading task takes.

    Raises:
        ValueError: If a number is impossible.
    """
    least, actors = check_concurrency(concurrency)
    if batch_size < 1 or num_gpus < 0:
        msg = f"batch_size must be at least 1 and num_gpus at least 0, not {batch_size} and {num_gpus}"
        raise ValueError(msg)
    ray = require_ray("senseweave.scale")
    if not ray.is_initialized():
        ray.init()
    own, task = processor_shares(ray.cluster_resources().get("CPU", 0.0), actors)
    options: dict[str, Any] = {
        "compute": ray.data.ActorPoolStrategy(min_size=least, max_size=actors),
        "batch_size": batch_size,
        "num_cpus": own,
    }
    if num_gpus:
        options["num_gpus"] = num_gpus
    return options, task
