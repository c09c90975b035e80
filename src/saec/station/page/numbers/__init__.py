"""What the view Numbers is made of: windows of time, their figures, plots and table."""
