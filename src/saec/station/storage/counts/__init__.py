"""What the frames of a window of time add up to."""
