"""The cloud engines that run in this process: Qwen2.5-VL and LLaVA."""
