"""Fine-tuning: adapters for a cloud model from labelled images."""
