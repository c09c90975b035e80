"""One product: fit a line, calibrate it, certify it, and keep judged images apart from those that made it."""
