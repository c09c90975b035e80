"""Fine-tuning: adapters for a cloud model from labelled images.

``saec.tune.tuning_run.tune`` is the whole of it. Heavy libraries are imported by the modules that compute.
"""
