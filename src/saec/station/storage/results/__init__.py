"""What is written with a result: what follows from a verdict, and the runs of challenges."""
