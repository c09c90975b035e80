"""saec cloud deploy, deployed and remove: the service on a Ray cluster that runs."""

from __future__ import annotations

import click
import msgspec

from saec.cli.clouds.serving_options import LOADING, NamedAdapter, check_serving_packages
from saec.cli.options.settings_command import settings_command
from saec.service.replica_settings import ReplicaConfig
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.http_settings import HttpSettings
from saec.web.log_settings import LogConfig


@settings_command(types={"named adapter": NamedAdapter()}, everyday=("--dtype", "--device"), only=LOADING)
def deploy(
    service: ServiceConfig,
    http: HttpSettings,
    cloud: CloudConfig,
    replicas: ReplicaConfig,
    log: LogConfig,
    trace: TraceConfig,
) -> None:
    """Put the service on a Ray cluster that runs, or change its model there.

    The replicas are changed one after the other, while the others answer.

    \b
    ray start --head
    saec cloud deploy --model small --replicas 3
    saec cloud deployed
    """
    check_serving_packages(fleet=True)
    from saec.service.replicas.deployed_settings import Deployed, check_models
    from saec.service.replicas.ray_cluster import joined_ray
    from saec.service.service_program import check_service
    from saec.web.program.logs import configure_logs

    configure_logs(log.level)
    check_service(service, http)
    wanted = Deployed(
        service, http, msgspec.structs.replace(cloud, model=service.model), replicas, log, trace
    )
    check_models(wanted, fetch=False)
    with joined_ray(replicas.address):
        from saec.service.replicas.deployment import deploy_service

        done = deploy_service(wanted)
    click.echo(f"deployed: {', '.join(done.names)}")
    names = ", ".join(done.differs)
    if done.stale:
        click.echo(f"The entrance that runs has another {names}. Start `saec cloud` again to change it.")
    elif names:
        click.echo(f"The entrance was replaced, as it had another {names}.")


@settings_command(only=("replicas.address",))
def deployed(replicas: ReplicaConfig) -> None:
    """Show how the service on a Ray cluster does.

    A line for each replica: its name, its models with the hash of their weights, how many requests wait
    for it, and what is wrong with it.
    """
    check_serving_packages(fleet=True)
    from saec.service.replicas.ray_cluster import joined_ray

    with joined_ray(replicas.address):
        from saec.service.replicas.deployment import service_state

        found = service_state()
    for name, word in found.applications.items():
        click.echo(f"{name}: {word}")
    for one in sorted(found.replicas, key=lambda report: report.replica):
        models = ", ".join(f"{model['id']}@{model['saec']['weights_hash'][:12]}" for model in one.models)
        click.echo(f"{one.replica}: {models}; {one.depth} waiting; {'; '.join(one.problems) or 'well'}")


@settings_command(only=("replicas.address", "service.drain_s"))
def remove(replicas: ReplicaConfig, service: ServiceConfig) -> None:
    """Take the service from a Ray cluster, when it has finished what it has accepted."""
    check_serving_packages(fleet=True)
    from saec.service.replicas.ray_cluster import joined_ray

    with joined_ray(replicas.address):
        from saec.service.replicas.deployment import remove_service

        remove_service(service.drain_s)
    click.echo("removed")
