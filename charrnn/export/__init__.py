"""A trained model as files that other programs read: a web page, ONNX, safetensors."""
