"""What the view Frames is made of: the search as an address, a frame's record in words, its replay."""
