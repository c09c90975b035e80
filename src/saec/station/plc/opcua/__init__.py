"""PLCs over OPC UA: the station as client of a PLC's server, or as a server of its own."""
