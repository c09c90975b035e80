"""Who answers a frame. A policy is a file here and a line in ``POLICIES``."""
