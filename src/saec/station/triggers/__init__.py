"""Triggers: who asks for a picture of a part, and which picture is whose."""
