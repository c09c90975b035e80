"""Many frames: the loop that judges them, its log, its record, its energy; and earlier runs read back."""
