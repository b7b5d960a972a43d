"""Layers, with Keras 3's names: one short file each."""

from nncore.layers.activation import Activation
from nncore.layers.alpha_dropout import AlphaDropout
from nncore.layers.base import Layer
from nncore.layers.dense import Dense
from nncore.layers.dropout import Dropout, SpatialDropout1D
from nncore.layers.gaussian_dropout import GaussianDropout
from nncore.layers.gaussian_noise import GaussianNoise
from nncore.layers.input import Input, InputLayer

__all__ = [
    "Activation",
    "AlphaDropout",
    "Dense",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "Layer",
    "SpatialDropout1D",
]
