"""The people of a station."""
