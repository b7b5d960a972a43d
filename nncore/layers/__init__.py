"""Layers, with Keras 3's names: one short file each."""

from nncore.layers.activation import Activation
from nncore.layers.base import Layer
from nncore.layers.dense import Dense
from nncore.layers.input import Input, InputLayer

__all__ = ["Activation", "Dense", "Input", "InputLayer", "Layer"]
