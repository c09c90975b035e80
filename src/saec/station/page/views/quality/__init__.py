"""The view of how well the lines judge."""
