"""What people answer about frames: samples and order, labels, second opinions; records, never edits."""
