"""What people do with a station: replay, backup, restore, support, quarantine."""
