"""What a line learns from frames, in NumPy: neither torch nor the images of earlier frames are needed."""
