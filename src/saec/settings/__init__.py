"""The one tree of settings: each section a struct, and the only place of its defaults.

The programs' own sections stand in their rooms (station, service, tune); commands add sections of their own.
``saec.cli.options.settings_command`` makes options, TOML keys and the reference page of them all.
"""

from saec.settings.build_settings import DrawingConfig, HoldoutConfig, Ksdd2Config, Ksdd2Protocol, SftConfig
from saec.settings.bulk_settings import LOCAL, BulkConfig, Engine
from saec.settings.cloud_settings import (
    UNIT,
    Arithmetic,
    Attention,
    CloudConfig,
    ModelCard,
    RemoteConfig,
    Scoring,
    Spend,
    Spending,
)
from saec.settings.edge_settings import FitConfig, Precision
from saec.settings.run_settings import DataConfig, MeterConfig, PartsConfig, RunConfig, SampleConfig, Split
from saec.settings.schedule_settings import (
    BudgetConfig,
    CostConfig,
    GateConfig,
    LinkConfig,
    Policy,
    RiskConfig,
)
from saec.settings.setting_fields import NotInKey, identifying

__all__ = [
    "LOCAL",
    "UNIT",
    "Arithmetic",
    "Attention",
    "BudgetConfig",
    "BulkConfig",
    "CloudConfig",
    "CostConfig",
    "DataConfig",
    "DrawingConfig",
    "Engine",
    "FitConfig",
    "GateConfig",
    "HoldoutConfig",
    "Ksdd2Config",
    "Ksdd2Protocol",
    "LinkConfig",
    "MeterConfig",
    "ModelCard",
    "NotInKey",
    "PartsConfig",
    "Policy",
    "Precision",
    "RemoteConfig",
    "RiskConfig",
    "RunConfig",
    "SampleConfig",
    "Scoring",
    "SftConfig",
    "Spend",
    "Spending",
    "Split",
    "identifying",
]
