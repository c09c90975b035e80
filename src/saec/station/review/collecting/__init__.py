"""What people are asked about: counts of all frames, draws, the order of worth, and what is kept how long."""
