"""Building blocks of networks: `MLP`, `NatureTrunk`, `make_trunk`. Importing this package imports torch."""

from neuralcore.layers.convolution import NatureTrunk
from neuralcore.layers.mlp import MLP
from neuralcore.layers.trunk import make_trunk

__all__ = ["MLP", "NatureTrunk", "make_trunk"]
