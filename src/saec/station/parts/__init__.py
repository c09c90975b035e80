"""Parts: their ids, and one verdict for a part that is seen several times."""
