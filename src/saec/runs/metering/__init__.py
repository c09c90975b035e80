"""What a run took: its meter, when each stage was at work, and the energy shared out by that."""
