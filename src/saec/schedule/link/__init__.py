"""The link to the cloud: its state, its queue, its latency, and the deadlines of frames."""
