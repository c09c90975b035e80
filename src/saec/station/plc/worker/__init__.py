"""What serves a PLC: its thread, its triggers, their numbers, and what it leaves for the disk."""
