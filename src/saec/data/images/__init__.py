"""Image files: which they are, whether they are whole, and their pixels."""
