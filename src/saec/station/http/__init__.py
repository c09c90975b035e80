"""What the station answers over HTTP: frames in, records out, metrics, the page."""
