"""The people at the station: accounts, roles, passwords, sessions, and what of it is personal data."""
