"""SAEC: scene-aware edge-cloud collaborative industrial inspection.

Frames come in, verdicts go out: the edge answers what it is sure of, a multimodal LLM in the
cloud answers the rest, and a scheduler decides which.

    import saec

    line = saec.fit("mvtec/bottle", out="lines/bottle")
    verdict = line.inspect("photo.png")
    report = line.evaluate("mvtec/bottle")

Each name is loaded when you first use it, so ``import saec`` loads no library.
"""

from saec.silence import keep_silent

keep_silent()

TYPE_CHECKING = False  # not from typing, which takes longer to load than all of this
if TYPE_CHECKING:
    from saec.api.line_making import fit as fit
    from saec.api.product_line import Line as Line
    from saec.api.verdict_view import Verdict as Verdict
    from saec.edge.detector_kinds import FitChoices as FitChoices
    from saec.errors import AnswerError as AnswerError
    from saec.errors import CameraLostError as CameraLostError
    from saec.errors import ConfigError as ConfigError
    from saec.errors import DataError as DataError
    from saec.errors import DecoderDiedError as DecoderDiedError
    from saec.errors import DecoderError as DecoderError
    from saec.errors import DecoderOverranError as DecoderOverranError
    from saec.errors import DecoderStartError as DecoderStartError
    from saec.errors import EndedError as EndedError
    from saec.errors import ExtraError as ExtraError
    from saec.errors import ImageError as ImageError
    from saec.errors import LeakError as LeakError
    from saec.errors import LineError as LineError
    from saec.errors import LinkError as LinkError
    from saec.errors import LogInError as LogInError
    from saec.errors import MachineError as MachineError
    from saec.errors import ModelError as ModelError
    from saec.errors import ParityError as ParityError
    from saec.errors import PeopleError as PeopleError
    from saec.errors import ReviewError as ReviewError
    from saec.errors import SaecError as SaecError
    from saec.errors import SpoolError as SpoolError
    from saec.errors import SpoolFullError as SpoolFullError
    from saec.evaluation.metrics import Metrics as Metrics
    from saec.extensions import VERSION
    from saec.frame.judges import Cloud as Cloud
    from saec.settings import BulkConfig as BulkConfig
    from saec.settings import CloudConfig as CloudConfig
    from saec.settings import FitConfig as FitConfig
    from saec.settings import Policy as Policy
    from saec.settings import RunConfig as RunConfig
    from saec.types import DEFECT as DEFECT
    from saec.types import GOOD as GOOD

    __version__ = VERSION

_MODULES = {
    "saec.errors": (
        "AnswerError",
        "CameraLostError",
        "ConfigError",
        "DataError",
        "DecoderDiedError",
        "DecoderError",
        "DecoderOverranError",
        "DecoderStartError",
        "EndedError",
        "ExtraError",
        "ImageError",
        "LeakError",
        "LineError",
        "LinkError",
        "LogInError",
        "MachineError",
        "ModelError",
        "ParityError",
        "PeopleError",
        "ReviewError",
        "SaecError",
        "SpoolError",
        "SpoolFullError",
    ),
    "saec.edge.detector_kinds": ("FitChoices",),
    "saec.evaluation.metrics": ("Metrics",),
    "saec.frame.judges": ("Cloud",),
    "saec.api.line_making": ("fit",),
    "saec.api.product_line": ("Line",),
    "saec.api.verdict_view": ("Verdict",),
    "saec.settings": ("BulkConfig", "CloudConfig", "FitConfig", "Policy", "RunConfig"),
    "saec.types": ("DEFECT", "GOOD"),
}
"""Where each name of the face is."""

_HOMES = {name: (module, name) for module, names in _MODULES.items() for name in names}
_HOMES["__version__"] = "saec.extensions", "VERSION"

__all__ = [*_HOMES]

if not TYPE_CHECKING:  # a type checker knows the names above, and no others

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'saec' has no attribute {name!r}")
        from importlib import import_module

        module, attribute = _HOMES[name]
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
