"""What a line learns from labelled defects: a head that finds more of them, its weight, and their kinds."""
