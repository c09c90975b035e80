"""The commands that make a line."""
