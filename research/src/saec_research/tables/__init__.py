"""The bench: the tables and curves behind the claims, each by one command."""
