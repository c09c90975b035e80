"""Challenge: golden parts, and their runs."""
