"""The station: the program at the line. Sources, edge, spool, sinks, API, page; nothing accepted is lost."""
