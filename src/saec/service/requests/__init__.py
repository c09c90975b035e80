"""A request to the service: its body, its images, and what is refused."""
