"""Digital in- and outputs: what a line does with a verdict, by couplers and pins."""
