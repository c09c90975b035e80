"""The section [replicas]: how many copies of the model answer, and where they run."""

from __future__ import annotations

from typing import Annotated

import msgspec

from saec.settings.setting_fields import Count, NotNegative, Option, Positive


class ReplicaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section [replicas]: how many copies of the model `saec cloud` has.

    Attributes:
        count: So many copies of the model answer, each in a process of its own. More than 1 needs the extra
            "fleet" (docs/fleet.md).
        up_to: Under load there may be up to so many. Default: as many as --replicas.
        gpus: GPUs of one replica. 0.5 puts two on one GPU. Default: 1 where Ray finds GPUs, else 0.
        cpus: Processor cores that Ray reserves for one replica.
        waiting: Start a further replica while each has more than so many requests on average, up to
            --replicas-up-to. Default: as many as --batch.
        spill: A request goes to another replica while the one that knows its good images has so many
            requests. Default: twice --batch.
        request_s: Seconds within which a request must be answered. If its replica dies, another one is asked
            in that time.
        address: The Ray cluster of `saec cloud deploy`: HOST:PORT of its head, or "auto" for the one on this
            machine.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1000), Option(name="--replicas", everyday=True)] = 1
    up_to: Annotated[Annotated[int, msgspec.Meta(ge=1, le=1000)] | None, Option(name="--replicas-up-to")] = (
        None
    )
    gpus: Annotated[NotNegative | None, Option(name="--replica-gpus")] = None
    cpus: Annotated[NotNegative, Option(name="--replica-cpus")] = 1.0
    waiting: Annotated[Positive | None, Option(name="--replica-waiting")] = None
    spill: Annotated[Count | None, Option(name="--replica-spill")] = None
    request_s: Annotated[Positive, Option(name="--request-s")] = 60.0
    address: Annotated[str, Option(name="--ray-address", metavar="HOST:PORT|auto")] = "auto"
