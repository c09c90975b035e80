"""Commands that prove how well a line does."""
