"""The fast forward pass of Qwen2.5-VL: the weights and the numbers of transformers', other plumbing.

What it saves: equal windows are one attention call, the part of the conversation before the frame (text and
references) is computed once for all frames, only the last position goes through the last layer and the head,
projections that share an input are one product, and on a GPU the layers are compiled for fixed shapes, with
kernels of our own between the products, and replayed as a CUDA graph.
"""
