"""One verdict for a part of several frames: its rule, its transaction, and how it is found."""
