"""The files beside the database, and what goes first where room is short."""
