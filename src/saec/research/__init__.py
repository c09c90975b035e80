"""What a researcher needs and a line does not: the seed, baselines, the tables behind the claims."""
