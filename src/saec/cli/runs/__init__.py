"""The commands that judge frames, and those that read what was judged."""
