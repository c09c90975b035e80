"""The cloud service: an OpenAI-compatible server of one model and its adapters."""
