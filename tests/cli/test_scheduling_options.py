"""--policy, --budget, --cost, --preset and --set, and what goes with what."""

from __future__ import annotations

import pytest

from saec.cli.options.policy import scheduling
from saec.errors import ConfigError
from saec.settings import BudgetConfig, CostConfig
from saec_research.seed.policy import SeedConfig


def test_the_gate_is_the_default_and_with_a_budget_the_value() -> None:
    assert scheduling(None, None, (), None, ())["policy"] == "gate"
    chosen = scheduling(None, None, (), 0.3, ("escape=20", "joule=0"))
    assert chosen["policy"] == "value"
    assert chosen["budget"] == BudgetConfig(share=0.3)
    assert chosen["costs"] == CostConfig(escape=20.0, joule=0.0)


def test_a_preset_is_the_seed_s_policy_with_changes() -> None:
    chosen = scheduling(None, "saec", ("qwen_thr=0.4",), None, ())
    assert (chosen["policy"], chosen["own"]) == ("seed", SeedConfig(qwen_thr=0.4))


@pytest.mark.parametrize(
    ("policy", "preset", "changes", "budget", "costs", "wrong"),
    [
        ("gate", None, (), None, ("escape=2",), "--cost with --policy gate"),
        (None, None, ("qwen_thr=1",), 0.3, (), "--set with --policy value"),
        ("value", "saec", (), None, (), "--preset saec with --policy value"),
        ("value", None, (), None, ("escap=2",), "escap"),
        ("value", None, (), None, ("escape=-2",), "--cost"),
        ("value", None, (), None, ("escape",), "--cost"),
        ("seed", None, ("qwen_thr=x",), None, (), "--set"),
    ],
)
def test_what_does_not_go_together_is_an_error(
    policy: str | None,
    preset: str | None,
    changes: tuple[str, ...],
    budget: float | None,
    costs: tuple[str, ...],
    wrong: str,
) -> None:
    with pytest.raises(ConfigError, match=wrong):
        scheduling(policy, preset, changes, budget, costs)
