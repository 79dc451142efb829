"""A trained model as files that other programs read: a web page, ONNX, safetensors.

Knows neither runs nor registries: it is given a `Writer`.
"""
