"""The spool's SQLite file: schema, writing, and what damage looks like."""
