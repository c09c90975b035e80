"""Checkpoints on disk and in hubs: found, checked, loaded, with their adapters."""
