"""What the views show of versions, settings, the machine and the audit: read from files, as plain values."""
