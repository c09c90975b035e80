"""Ray Data carries the rows: it schedules, and starts workers anew. ``bulk_run`` makes good what it loses.

Pages of rows are read on the driver's machine and given to a pool of actors, which open the line once each.
When a worker dies, Ray starts another and repeats its page, at most ``_RETRIES`` times. A page that ends its
worker each time is left out, so that one bad file ends no run.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from saec.bulk.bulk_engine import JUDGES, Stage
from saec.bulk.bulk_judges import BulkOrder
from saec.bulk.work_list import Page, read_page
from saec.errors import ConfigError, EndedError, ExtraError
from saec.settings import BulkConfig
from saec.web.ray_head import ONE_MACHINE, ray_head

_RETRIES = 3
_READERS = 2
"""Processes that read pages; each page takes a few milliseconds."""

_STORE = 256 * 2**20
"""Bytes of Ray's store of objects on this machine: rows and answers are small."""


class TableJudge:
    """A worker: a judge that takes and gives tables of one column. Ray makes it in a process of its own.

    Args:
        order: what is judged with.
        stage: which judge it is.
        cpus: CPUs that this worker has. OpenCV would start a thread for each CPU of the machine, and these
            would wait for each other where other workers have the CPUs.
    """

    def __init__(self, order: BulkOrder, stage: Stage, cpus: int) -> None:
        import cv2

        cv2.setNumThreads(cpus)
        self._judge = JUDGES[stage](order)

    def __call__(self, table: Any) -> dict[str, list[bytes]]:
        return {"answer": list(self._judge(table["row"].to_pylist()))}


class RowsOfPage:
    """Reads pages of a list of work, on the machine where it lies.

    Args:
        work: the list's file.
    """

    def __init__(self, work: str) -> None:
        self._work = Path(work)

    def __call__(self, page: dict[str, int]) -> list[dict[str, bytes]]:
        return [{"row": row} for row in read_page(self._work, Page(page["begin"], page["size"]))]


class WorkerPool(NamedTuple):
    """The workers of a stage, and what each has to itself.

    Attributes:
        workers: how many.
        cpus, gpus: CPUs and GPUs of one; whole numbers where they are 1 or more.
    """

    workers: int
    cpus: float
    gpus: float = 0.0


def worker_pools(order: BulkOrder, config: BulkConfig, cpus: int, gpus: float) -> dict[Stage, WorkerPool]:
    """Who works in each stage, on a cluster of so many CPUs and GPUs.

    Edge workers have the line's threads. A model on the CPU has all CPUs: the stages follow each other.
    """
    threads = max(1, min(order.profile.line.detector.threads, cpus))
    edge = config.workers or max(1, cpus // threads)
    loaded = order.cloud is not None and not order.cloud.remote.url
    each = config.cloud_gpus
    if each is None:
        each = 1.0 if loaded and gpus else 0.0
    share = cpus / config.cloud_workers
    return {
        "edge": WorkerPool(edge, _whole(min(threads, cpus / edge))),
        "cloud": WorkerPool(
            config.cloud_workers, _whole(share if loaded and not each else min(1, share)), each
        ),
    }


def _whole(cpus: float) -> float:
    """Ray takes fractions below 1 alone."""
    return float(int(cpus)) if cpus >= 1 else cpus


class RayEngine:
    """A ``BulkEngine`` on the Ray that this process is connected to.

    Args:
        order: what the workers are told.
        config: how many there are.
    """

    def __init__(self, order: BulkOrder, config: BulkConfig) -> None:
        import ray

        have = ray.cluster_resources()
        self._order = order
        self._pools = worker_pools(order, config, int(have.get("CPU", 1)), have.get("GPU", 0.0))
        self._here = ray.get_runtime_context().get_node_id()

    def workers(self, stage: Stage) -> int:
        return self._pools[stage].workers

    def answers(self, stage: Stage, work: Path, pages: Sequence[Page]) -> Generator[bytes, None, None]:
        try:
            judged = self._judged(stage, work, pages)
            for table in judged.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from table["answer"].to_pylist()
        except Exception as e:  # Ray Data wraps what workers raise in several kinds
            raise EndedError(f"Ray ended the run: {_said(e)}", "run it again with --resume") from e

    def _judged(self, stage: Stage, work: Path, pages: Sequence[Page]) -> Any:
        """The data set of the answers; nothing runs before it is read."""
        from ray import data

        items = [{"begin": page.begin, "size": page.size} for page in pages]
        pool = self._pools[stage]
        with warnings.catch_warnings():
            # Ray 2.64 takes these away and names nothing in their place, so the extra has an upper end.
            warnings.filterwarnings("ignore", message=".*ray_remote_args")
            rows = data.from_items(items, override_num_blocks=len(items)).flat_map(
                RowsOfPage(str(work.absolute())),
                compute=data.TaskPoolStrategy(size=min(_READERS, len(items))),
                num_cpus=0,
                label_selector={"ray.io/node-id": self._here},
            )
            return rows.map_batches(
                TableJudge,
                fn_constructor_args=(self._order, stage, max(1, int(pool.cpus))),
                batch_size=None,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(min_size=1, max_size=pool.workers, initial_size=pool.workers),
                ray_remote_args_fn=_few_retries,
                num_cpus=pool.cpus,
                num_gpus=pool.gpus,
            )


def _few_retries() -> dict[str, int]:
    """Arguments of each worker; by itself Ray would repeat a page for ever."""
    return {"max_task_retries": _RETRIES, "max_restarts": -1}


def _said(error: BaseException) -> str:
    """What went wrong in a worker, without its traceback; Ray Data names empty errors as causes."""
    one: BaseException | None = error
    while one is not None:
        if text := str(one).strip():
            return text.splitlines()[-1].strip()
        one = one.__cause__ or one.__context__
    return type(error).__name__


@contextmanager
def ray_started(order: BulkOrder, config: BulkConfig) -> Iterator[RayEngine]:
    """Ray on this machine's loopback, without dashboard and usage statistics; or a cluster that runs.

    Raises:
        ExtraError: Ray is not installed.
        ConfigError: the cluster cannot be reached, or this machine is no node of it.
    """
    check_installed()
    if config.ray_address is not None and "://" in config.ray_address:
        raise ConfigError(
            f"{config.ray_address} is the address of a Ray client",
            "run on a machine of the cluster, and give HOST:PORT or auto",
        )
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():  # a program of the user's has connected
        yield _quiet_engine(order, config)
        return
    os.environ |= ONE_MACHINE  # ``saec.silence`` switches Ray's reports off
    address = None if config.ray_address is None else ray_head(config.ray_address)
    import ray  # which reads the environment now

    try:
        ray.init(**_start(address))
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
        where = "on this machine" if address is None else f"at {address}"
        raise ConfigError(
            f"Ray cannot be used {where}: {_said(e)}",
            "check the address and that Ray runs, and its token (RAY_AUTH_TOKEN_PATH names the file)",
        ) from e
    try:
        yield _quiet_engine(order, config)
    finally:
        ray.shutdown()


def check_installed() -> None:
    """Refuse to begin without the libraries.

    Raises:
        ExtraError: Ray or pyarrow is not installed.
    """
    for package in ("ray", "pyarrow"):
        if find_spec(package) is None:
            raise ExtraError(package, "bulk")


def _start(address: str | None) -> dict[str, Any]:
    shared = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    if address is not None:
        return {"address": address, **shared}
    return {
        "address": "local",
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        "object_store_memory": _STORE,
        **shared,
    }


def _quiet_engine(order: BulkOrder, config: BulkConfig) -> RayEngine:
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.memory_usage_poll_interval_s = None  # a thread for each page, whose finding nobody reads
    context.max_errored_blocks = -1  # a page that ends its workers is judged frame by frame afterwards
    return RayEngine(order, config)
