"""The families of drawn products, by their shape."""
