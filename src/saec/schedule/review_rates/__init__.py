"""How well a line judges, from random samples of what it passed and of what it rejected."""
