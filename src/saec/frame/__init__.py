"""One frame: decode, assess, decide, and what judges it. The only place where a frame is judged."""
