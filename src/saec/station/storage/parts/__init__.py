"""One verdict for a part of several frames: its rule, its transaction, who waits for it, how it is found."""
