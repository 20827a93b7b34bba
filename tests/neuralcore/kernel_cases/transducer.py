"""Lattices of odd sizes, with examples that are shorter than the arrays; symbols that are all but impossible."""

import numpy as np

OP = "transducer"
SIZES = [(1, 1, 0), (1, 1, 3), (2, 5, 1), (5, 7, 4), (3, 31, 9), (2, 6, 70)]
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}


def make_case(size, rng):
    count, steps, symbols = size
    blank = np.log(rng.uniform(0.01, 0.99, (count, steps, symbols + 1)))
    symbol = np.log1p(-np.exp(blank[:, :, :-1])) + np.log(rng.uniform(0.1, 1.0, (count, steps, symbols)))
    symbol[rng.uniform(size=symbol.shape) < 0.05] = -80.0
    frames, lengths = rng.integers(1, steps + 1, count), rng.integers(0, symbols + 1, count)
    frames[0], lengths[0] = steps, symbols
    dtype = np.float64 if count == 5 else np.float32
    return (blank.astype(dtype), symbol.astype(dtype), frames, lengths), {}


def outputs(args, result):
    return result._asdict()
