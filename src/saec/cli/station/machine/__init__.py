"""saec station: what stands at the machine, tried before a line depends on it."""
