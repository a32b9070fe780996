"""What computes text models: torch, padded or packed, and graphs of them in ONNX Runtime and OpenVINO."""
