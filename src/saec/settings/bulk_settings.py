"""The section [bulk]: how an archive is judged on Ray."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from saec.settings.setting_fields import Count, CountOrZero, NotNegative, Option

Engine = Literal["local", "ray"]
"""What carries frames to their judges: this process, or Ray."""

LOCAL: Final = "local"
"""The engine of whoever names none."""


class BulkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [bulk]: how `saec inspect --engine ray` judges an archive.

    Attributes:
        ray_address: Address of a running Ray cluster, such as 10.0.0.5:6379. Default: start Ray on this
            machine.
        workers: How many processes judge at the edge. Default: as many as the CPUs allow.
        cloud_workers: How many processes hold the cloud's model, or ask its service.
        cloud_gpus: GPUs of each of these processes. Default: 1 if the cluster has a GPU for a model that
            is loaded, else 0.
        task_frames: Frames that a worker judges before it hands in its verdicts. If it dies, these are
            judged again.
        parquet_column: The column of the images in Parquet files. Default: the only column of bytes.
        estimate_frames: How many frames are judged on this machine before the run, to estimate its time
            and energy.
    """

    ray_address: str | None = None
    workers: Annotated[Count | None, Option(name="--bulk-workers")] = None
    cloud_workers: Count = 1
    cloud_gpus: NotNegative | None = None
    task_frames: Count = 64
    parquet_column: str | None = None
    estimate_frames: CountOrZero = 16
