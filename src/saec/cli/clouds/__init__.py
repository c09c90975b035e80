"""The commands about cloud models: serve, fetch, tune, compare, and whether one pays."""
