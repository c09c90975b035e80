"""Data sets made from others: hold-outs, balanced folders, instruction data."""
