"""The seed's system: its policy and its complexity, kept to reproduce its tables."""
