"""What the page shows as it happens: lines, frames, alarms, and how that reaches browsers."""
