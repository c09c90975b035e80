"""Jobs beside the line: they fit, teach and compare versions, outside the process that judges."""
