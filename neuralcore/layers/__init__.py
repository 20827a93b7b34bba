"""Building blocks of networks: trunks by `make_trunk`, and recurrent cores. Importing this package imports torch."""

from neuralcore.layers.convolution import NatureTrunk
from neuralcore.layers.core import LSTMCore
from neuralcore.layers.gru_core import GRUCore
from neuralcore.layers.mlp import MLP
from neuralcore.layers.residual import ImpalaTrunk
from neuralcore.layers.resnet import ResNetTrunk
from neuralcore.layers.trunk import make_trunk

__all__ = ["MLP", "GRUCore", "ImpalaTrunk", "LSTMCore", "NatureTrunk", "ResNetTrunk", "make_trunk"]
