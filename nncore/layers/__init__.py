"""Layers, with Keras 3's names: one short file each."""

from nncore.layers.activation import Activation
from nncore.layers.base import Layer
from nncore.layers.batch_normalization import BatchNormalization
from nncore.layers.dense import Dense
from nncore.layers.input import Input, InputLayer
from nncore.layers.layer_normalization import LayerNormalization, RMSNormalization
from nncore.layers.normalization import Normalization, Rescaling

__all__ = ["Activation", "BatchNormalization", "Dense", "Input", "InputLayer", "Layer", "LayerNormalization",
           "Normalization", "RMSNormalization", "Rescaling"]
