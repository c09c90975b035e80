"""A simulated machine: a PLC and a camera that play a data set to a station."""
