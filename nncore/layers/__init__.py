"""Layers, with Keras 3's names: one short file each."""

from nncore.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from nncore.layers.alpha_dropout import AlphaDropout
from nncore.layers.base import Layer
from nncore.layers.batch_normalization import BatchNormalization
from nncore.layers.dense import Dense
from nncore.layers.dropout import Dropout, SpatialDropout1D
from nncore.layers.embedding import Embedding
from nncore.layers.factorization import FactorizationMachine, FMInteraction
from nncore.layers.gaussian_dropout import GaussianDropout
from nncore.layers.gaussian_noise import GaussianNoise
from nncore.layers.input import Input, InputLayer
from nncore.layers.lambda_layer import Lambda
from nncore.layers.layer_normalization import LayerNormalization, RMSNormalization
from nncore.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from nncore.layers.normalization import Normalization, Rescaling
from nncore.layers.prelu import PReLU
from nncore.layers.reshaping import Flatten, GlobalAveragePooling1D, RepeatVector, Reshape

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dot",
    "Dropout",
    "Embedding",
    "FMInteraction",
    "FactorizationMachine",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "Input",
    "InputLayer",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SpatialDropout1D",
    "Softmax",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
