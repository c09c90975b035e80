"""How well each line judges now, from what people said of frames that were drawn at random."""
