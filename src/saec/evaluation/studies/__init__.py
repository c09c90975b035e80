"""Studies before acceptance: the same parts many times, judged by the line and by people."""
