"""The view in which people answer frames, and what an engineer sees of the answers."""
