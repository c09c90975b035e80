"""SAEC: scene-aware edge-cloud collaborative industrial inspection.

Frames come in, verdicts go out: the edge answers what it is sure of, a multimodal LLM in the
cloud answers the rest, and a scheduler decides which.
"""

from saec.silence import keep_silent

__version__ = "0.1.0"

keep_silent()
