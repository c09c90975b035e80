"""Commands on how well lines judge."""
