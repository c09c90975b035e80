"""All of the detector that follows the features, written once: in NumPy, in OpenVINO and in ONNX."""
