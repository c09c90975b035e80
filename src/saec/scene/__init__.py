"""Scene complexity: how much there is to see in a frame, whatever the verdict on it.

``seed`` holds the formula of the system that this project was created from, kept to reproduce it;
``complexity`` is ours, and the one that the default policy uses.
"""

from saec.research.seed.complexity import SeedComplexity, seed_complexity
from saec.scene.complexity import Complexity, features, fit_norm

__all__ = ["Complexity", "SeedComplexity", "features", "fit_norm", "seed_complexity"]
