"""Policy, budget, costs, preset and parameters of a run, and what goes with what."""

from __future__ import annotations

import pytest

from saec.errors import ConfigError
from saec.runs.requested_options import run_options
from saec.settings import BudgetConfig, CostConfig, Policy
from saec_research.seed.policy import SeedConfig


def test_the_gate_is_the_default_and_with_a_budget_the_value() -> None:
    assert run_options().policy == "gate"
    chosen = run_options(Policy(budget=0.3, cost={"escape": 20.0, "joule": 0.0}))
    assert chosen.policy == "value"
    assert chosen.budget == BudgetConfig(share=0.3)
    assert chosen.costs == CostConfig(escape=20.0, joule=0.0)


def test_a_preset_is_the_seed_s_policy_with_changes() -> None:
    chosen = run_options(Policy(preset="saec", parameters={"qwen_thr": "0.4"}))
    assert (chosen.policy, chosen.own) == ("seed", SeedConfig(qwen_thr=0.4))


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        (Policy(policy="gate", cost={"escape": 2.0}), "policy gate takes no costs"),
        (Policy(parameters={"qwen_thr": "1"}, budget=0.3), "policy value has no parameters"),
        (Policy(policy="value", preset="saec"), "preset saec cannot be used with policy value"),
        (Policy(policy="value", cost={"escap": 2.0}), "escap"),
        (Policy(policy="value", cost={"escape": -2.0}), "cost"),
        (Policy(budget=1.5), "the budget 1.5"),
        (Policy(policy="seed", parameters={"qwen_thr": "x"}), "parameter"),
    ],
)
def test_what_does_not_go_together_is_an_error(asked: Policy, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        run_options(asked)
