"""What people do with a station: audit, backup, restore, support, quarantine."""
