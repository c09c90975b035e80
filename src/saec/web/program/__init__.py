"""A program that listens: its sockets, threads, signals, logs, and what it tells systemd."""
