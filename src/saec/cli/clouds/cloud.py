"""saec cloud: the service that lends a multimodal LLM to stations, alone or as replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from saec.cli.clouds.replicas import deploy, deployed, remove
from saec.cli.clouds.serving_options import LOADING, NamedAdapter, check_serving_packages
from saec.cli.options.settings_group import settings_group
from saec.service.replica_settings import ReplicaConfig
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.http_settings import HttpSettings
from saec.web.log_settings import LogConfig

if TYPE_CHECKING:
    from saec.service.answer_engine import AnswerEngine


@settings_group(
    types={"named adapter": NamedAdapter()},
    everyday=("--dtype", "--device"),
    without=("replicas.address",),
    only=LOADING,
)
def command(
    service: ServiceConfig,
    http: HttpSettings,
    cloud: CloudConfig,
    replicas: ReplicaConfig,
    log: LogConfig,
    trace: TraceConfig,
) -> None:
    """Serve a multimodal LLM to stations and other clients, over OpenAI's API.

    \b
    saec cloud --model small --listen 127.0.0.1:8100
    saec inspect FRAMES --line LINE --cloud http://127.0.0.1:8100/v1 --cloud-model small
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    fleet = max(replicas.count, replicas.up_to or 1) > 1
    check_serving_packages(fleet=fleet)
    from saec.cli.options.process_end import run_to_the_end
    from saec.service.service_program import load_engine, run_service
    from saec.web.program.logs import configure_logs, trace_warning
    from saec.web.program.trace_export import exported_traces

    configure_logs(log.level)
    model = msgspec.structs.replace(cloud, model=service.model)

    def opened() -> AnswerEngine:
        if not fleet:
            return load_engine(service, model)
        from saec.service.replicas.deployed_settings import Deployed
        from saec.service.replicas.local_replicas import open_replicas

        return open_replicas(Deployed(service, http, model, replicas, log, trace))

    def run() -> None:
        with exported_traces(trace, "saec-cloud", service.listen, trace_warning):
            run_service(service, http, opened)

    run_to_the_end(run)


for _name, _command in {"deploy": deploy, "deployed": deployed, "remove": remove}.items():
    command.add_command(_command, _name)
