"""saec station: commands for what stands at the machine."""
