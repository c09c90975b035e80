"""Teach: labels become a candidate version, beside the line."""
