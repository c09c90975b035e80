"""When to ask: thresholds and P(defect) from scores, trust in a cloud, and the policies. Pure: no I/O."""
