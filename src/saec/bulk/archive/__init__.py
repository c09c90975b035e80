"""What an archive holds, and how its frames are read."""
