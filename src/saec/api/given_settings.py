"""What users give beside images: a cloud, a policy, how a run goes. Each is looked at before work begins."""

from __future__ import annotations

from saec.errors import ConfigError
from saec.frame.judges import Cloud
from saec.runs.requested_options import run_options
from saec.runs.run_folder import Options
from saec.settings import Policy, RunConfig


def check_cloud(cloud: object, *, needed: bool = False) -> None:
    """Refuse what is no cloud, such as its name alone.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(cloud, Cloud) or (cloud is None and not needed):
        return
    raise ConfigError(f"cloud is a {type(cloud).__name__}: {cloud!r}", "give a saec.Cloud(MODEL)")


def given_options(policy: Policy | str | None = None, run: RunConfig | None = None) -> Options:
    """The options of a run under a policy.

    Raises:
        ConfigError: an argument has another type, or settings contradict each other.
    """
    if not isinstance(policy, Policy | str | None):
        raise ConfigError(f"policy is a {type(policy).__name__}", "give a name, or a saec.Policy")
    if not isinstance(run, RunConfig | None):
        raise ConfigError(f"run is a {type(run).__name__}", "give a saec.RunConfig")
    return run_options(policy, run)
