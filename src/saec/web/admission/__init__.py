"""Who gets in at a program that listens, and how much of it one asker may take."""
