"""Backbones from checkpoints: a folder, or a name on the hub."""
