"""Evidence that a person exports on the page: a program of its own makes the file, the page keeps it."""
