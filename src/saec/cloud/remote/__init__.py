"""A cloud elsewhere: a client of any OpenAI-compatible server."""
