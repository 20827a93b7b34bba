"""Building blocks of networks: trunks by `make_trunk`, and `LSTMCore`. Importing this package imports torch."""

from neuralcore.layers.convolution import NatureTrunk
from neuralcore.layers.core import LSTMCore
from neuralcore.layers.mlp import MLP
from neuralcore.layers.residual import ImpalaTrunk
from neuralcore.layers.resnet import ResNetTrunk
from neuralcore.layers.trunk import make_trunk

__all__ = ["MLP", "ImpalaTrunk", "LSTMCore", "NatureTrunk", "ResNetTrunk", "make_trunk"]
