"""Policies are told apart by what their table says of them, and by no name outside it."""

from __future__ import annotations

import ast

import pytest

from saec.errors import ConfigError
from saec.frame.judges import open_policy
from saec.schedule import policies
from saec.schedule.policies import POLICIES, policy_kind, policy_names, reasons
from saec.schedule.policies.one_side import EdgeOnly
from saec.schedule.policies.policy_contract import PolicyKind, PolicySettings
from saec.settings import BudgetConfig
from tests.run_fakes import CALIBRATION
from tests.sources import modules

HOME = ("schedule/policies/", "saec_research/")


def compares_a_policy(node: ast.AST) -> bool:
    """Whether a name of a policy is compared with what is called a policy."""
    if not isinstance(node, ast.Compare) or "policy" not in ast.unparse(node.left):
        return False
    texts = {n.value for part in node.comparators for n in ast.walk(part) if isinstance(n, ast.Constant)}
    return bool(texts & {*POLICIES, "seed"})


def test_no_room_knows_a_policy_by_its_name() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, path in modules()
        if not name.startswith(HOME)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare) and compares_a_policy(node)
    ]
    assert found == [], "ask policy_kind(...) what it wants to know"


@pytest.mark.parametrize(
    ("code", "compares"),
    [
        ("options.policy == 'seed'", True),
        ("policy in ('cloud', 'edge')", True),
        ("kind.cloud == 'alone'", False),
        ("policy is None", False),
    ],
)
def test_a_comparison_is_found(code: str, compares: bool) -> None:
    assert compares_a_policy(ast.parse(code, mode="eval").body) is compares


def test_a_policy_is_a_line_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = PolicyKind(
        open=lambda calibration, trust, settings: EdgeOnly(),
        reasons={"edge-only": "the edge answers", "my-word": "what it means"},
    )
    monkeypatch.setattr("saec.schedule.policies.one_side.MINE", mine, raising=False)
    monkeypatch.setitem(policies.POLICIES, "mine", "saec.schedule.policies.one_side:MINE")
    assert "mine" in policy_names()
    assert policy_kind("mine") is mine
    assert reasons()["my-word"] == "what it means"


def test_a_policy_that_nobody_has_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no policy nobody's") as e:
        policy_kind("nobody's")
    assert "gate" in e.value.remedy


@pytest.mark.parametrize("name", policy_names())
def test_a_policy_says_whether_it_takes_a_budget(name: str) -> None:
    kind, budget = policy_kind(name), PolicySettings(budget=BudgetConfig(share=0.3))
    if kind.ranks == "no":
        with pytest.raises(ConfigError, match="takes no budget"):
            open_policy(name, CALIBRATION, None, budget)
    else:
        open_policy(name, CALIBRATION, None, budget)
    if kind.ranks == "only":
        with pytest.raises(ConfigError, match="needs a budget"):
            open_policy(name, CALIBRATION, None)
    else:
        open_policy(name, CALIBRATION, None)
