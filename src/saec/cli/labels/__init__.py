"""Commands that take labels out of a station and back in."""
