"""What a Ray cluster has, and how much of it each step takes."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from senseweave.extras import require

if TYPE_CHECKING:
    from senseweave.spaces.space import Space

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
    try:
        least, most = map(operator.index, concurrency if isinstance(concurrency, tuple) else (concurrency,) * 2)
    except (TypeError, ValueError):
        least = most = 0
    if not 1 <= least <= most or isinstance(concurrency, bool):
        msg = f"concurrency must be a number of actors from 1, or (least, most), not {concurrency!r}"
        raise ValueError(msg)
    return least, most


def check_portable(spaces: Iterable[Space]) -> None:
    """Check that other processes can load some spaces.

    Raises:
        TypeError: If one cannot be pickled.
    """
    ray = require_ray("senseweave.scale")
    for space in spaces:
        try:
            ray.cloudpickle.dumps(space)
        except Exception as error:  # whatever a space of one's own holds
            msg = f"space {space.name} cannot be sent to the processes of Ray, each of which loads it: {error}"
            raise TypeError(msg) from None


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


def check_devices(spaces: Iterable[Space]) -> None:
    """Check that no space is loaded on several devices, which is not how actors share a machine.

    Raises:
        ValueError: If one is.
    """
    for space in spaces:
        if space.devices:
            msg = (
                f"{space.name} is loaded on {', '.join(space.devices)}, and an actor computes on one device: load it "
                f"without device=, and let actors share the GPUs by concurrency={len(space.devices)}, num_gpus=1"
            )
            raise ValueError(msg)


def actor_options(concurrency: Concurrency, num_gpus: float, batch_size: int) -> tuple[dict[str, Any], float]:
    """Return the options of `map_batches` for actors, and the processors that a reading task takes.

    Raises:
        ValueError: If a number is impossible.
    """
    least, actors = check_concurrency(concurrency)
    if not isinstance(batch_size, int) or batch_size < 1:
        msg = f"batch_size must be a number of rows from 1, not {batch_size!r}"
        raise ValueError(msg)
    if not isinstance(num_gpus, int | float) or not (0 <= num_gpus <= 1 or (num_gpus % 1 == 0 and num_gpus > 0)):
        msg = f"num_gpus must be a whole number or a fraction of 1, not {num_gpus!r}"
        raise ValueError(msg)
    ray = require_ray("senseweave.scale")
    if not ray.is_initialized():
        ray.init()
    check_gpus(num_gpus)
    own, task = processor_shares(free_processors(), actors)
    options: dict[str, Any] = {
        "compute": ray.data.ActorPoolStrategy(min_size=least, max_size=actors),
        "batch_size": batch_size,
        "num_cpus": own,
    }
    if num_gpus:
        options["num_gpus"] = num_gpus
    return options, task


def check_gpus(num_gpus: float) -> None:
    """Check that an actor can ever start: Ray waits without end for GPUs that no node has.

    Raises:
        ValueError: If no node has so many GPUs, and Ray has not been told how long to wait for actors.
    """
    ray = require_ray("senseweave.scale")
    most = max((node["Resources"].get("GPU", 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)
    if num_gpus > most and ray.data.DataContext.get_current().wait_for_min_actors_s <= 0:
        msg = (
            f"num_gpus={num_gpus:g}: no node of the Ray cluster has so many GPUs, the most are {most:g}; where nodes "
            "come on demand, set ray.data.DataContext.get_current().wait_for_min_actors_s to the seconds they may take"
        )
        raise ValueError(msg)


def free_processors() -> float:
    """Return the processors of the cluster but for those that a task of Ray holds in which this is called.

    Raises:
        ValueError: If that task holds all of them.
    """
    ray = require_ray("senseweave.scale")
    total: float = ray.cluster_resources().get("CPU", 0.0)
    context = ray.get_runtime_context()
    in_task = getattr(context.worker, "mode", None) == ray.WORKER_MODE  # a client of Ray has no mode
    held = context.get_assigned_resources().get("CPU", 0.0) if in_task else 0.0
    if 0 < total <= held:
        msg = f"this task of Ray holds all {total:g} processors of the cluster: start it with num_cpus=0"
        raise ValueError(msg)
    return total - held
