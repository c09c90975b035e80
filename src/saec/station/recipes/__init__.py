"""Recipes: what a line runs for a product, and the change from one to the next."""
