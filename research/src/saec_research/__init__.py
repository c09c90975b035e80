"""What a researcher needs and a line does not: the seed's system, baselines, the tables behind the claims.

It also brings the demonstration checkpoint.
"""

__version__ = "0.1.0"
