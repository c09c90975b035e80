"""Scene complexity: how much there is to see in a frame, whatever the verdict on it."""

from saec.scene.complexity import Complexity, features, fit_norm

__all__ = ["Complexity", "features", "fit_norm"]
