"""The views of the page: each is a module here and a template of its name."""
