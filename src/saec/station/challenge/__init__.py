"""Golden parts that a line must judge right: sets, runs through the line, and what a failed one stops."""
