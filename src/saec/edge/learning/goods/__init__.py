"""The fit of the detector to goods, from what a line keeps of them."""
