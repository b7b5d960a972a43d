"""Files: weights in safetensors."""

from nncore.io.safetensors import load_weights_file, save_weights_file

__all__ = ["load_weights_file", "save_weights_file"]
