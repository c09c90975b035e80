"""What the model is asked about a frame, and what its answer means."""
