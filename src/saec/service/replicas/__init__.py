"""Replicas of the cloud service on Ray Serve: an entrance, and engines behind it (docs/fleet.md)."""
