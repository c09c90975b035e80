"""saec station teach and compare: what the page does with labels, in a terminal."""
