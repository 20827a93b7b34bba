"""Triton: one lane a position. Each walks to the kept words on its two sides, once to count and once to write them.

The first walk says how many there are; running sums say where each window's go; and their last entries are the one
thing that the host waits for, since it makes room. Nothing is kept between the walks but these counts: a draw is
cheaper than a place to store it.

All of the random numbers' arithmetic is on uint64, so that shifts bring zeros; draws are compared as float64, like
everywhere else, or a word would stay here and go there.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from neuralcore.kernels.skipgram_windows.reference import GAMMA as GAMMA_BITS
from neuralcore.kernels.skipgram_windows.reference import draws_of, key_of

BLOCK = 128  # positions a program walks from
ELEMENTS = 1024  # of a program that draws outputs: windows times outputs of each, up to a power of two
# Compiled once, whatever their values; and an argument of 1 would otherwise be a constant, which has no `.to`.
SCALARS = ["positions", "begin", "end", "window", "key", "draws", "words", "windows"]
GAMMA, MIX_1, MIX_2 = (tl.constexpr(n) for n in (GAMMA_BITS, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@triton.jit
def draw(key, position, draws, which):
    number = position.to(tl.uint64) * draws.to(tl.uint64) + which.to(tl.uint64) + 1
    z = key.to(tl.uint64) + number * GAMMA
    z = (z ^ (z >> 30)) * MIX_1
    z = (z ^ (z >> 27)) * MIX_2
    return z ^ (z >> 31)


@triton.jit
def below(random, bound):
    """The upper 32 bits as a whole number in 0..bound - 1."""
    return (((random >> 32) * bound.to(tl.uint64)) >> 32).to(tl.int64)


@triton.jit
def stays(word, position, keep, key, draws, mask):
    share = tl.load(keep + word, mask=mask, other=0.0)
    # Through int64: 53 bits are positive in it, and the GPU converts it exactly.
    return (draw(key, position, draws, tl.zeros_like(position)) >> 11).to(tl.int64).to(tl.float64) * 2.0**-53 < share


@triton.jit
def walk(
    ids, positions, position, keep, key, draws, going, size, contexts, place, STEP: tl.constexpr, WRITE: tl.constexpr
):
    """How many kept words each lane finds, `size` at most; with WRITE they go to `place`, on by STEP."""
    at = position
    found = tl.zeros_like(size)
    while tl.max(going.to(tl.int32), 0) > 0:
        at += STEP
        going = going & (at >= 0) & (at < positions)
        word = tl.load(ids + at, mask=going, other=-1)
        going = going & (word >= 0)  # END_OF_SENTENCE is -1
        kept = going & stays(word, at, keep, key, draws, going)
        if WRITE:
            tl.store(contexts + place + STEP * found, word, mask=kept)
        found += kept.to(tl.int64)
        going = going & (found < size)
    return found


@triton.jit(do_not_specialize=SCALARS)
def count_kernel(
    ids,  # (N,) int32
    positions,  # N
    begin,
    end,
    keep,  # (V,) float64
    window,
    key,
    draws,
    befores,  # (end - begin,) int32, how many context words stand before the position
    afters,  # likewise, after it
    BLOCK: tl.constexpr,
):
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    position = begin + lane
    inside = position < end
    word = tl.load(ids + position, mask=inside, other=-1)
    centre = word >= 0
    centre = centre & stays(word, position, keep, key, draws, centre)
    size = 1 + below(draw(key, position, draws, tl.full([BLOCK], 1, tl.int64)), window)
    before = walk(ids, positions, position, keep, key, draws, centre, size, ids, position, -1, False)
    after = walk(ids, positions, position, keep, key, draws, centre, size, ids, position, 1, False)
    tl.store(befores + lane, before.to(tl.int32), mask=inside)
    tl.store(afters + lane, after.to(tl.int32), mask=inside)


@triton.jit(do_not_specialize=SCALARS)
def write_kernel(
    ids,
    positions,
    begin,
    end,
    keep,
    key,
    draws,
    befores,
    afters,
    ends,  # (end - begin,) int64, where the context words of a position end
    ranks,  # (end - begin,) int64, windows up to and with the position's
    centres,  # (windows,) int64, their positions
    offsets,  # (windows + 1,) int64
    contexts,  # (C,) int32
    BLOCK: tl.constexpr,
):
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    position = begin + lane
    inside = position < end
    before = tl.load(befores + lane, mask=inside, other=0).to(tl.int64)
    after = tl.load(afters + lane, mask=inside, other=0).to(tl.int64)
    last = tl.load(ends + lane, mask=inside, other=0)
    rank = tl.load(ranks + lane, mask=inside, other=0)
    there = before + after > 0
    tl.store(centres + rank - 1, position, mask=there)
    tl.store(offsets + rank, last, mask=there)
    middle = last - after  # where those after the position begin; the nearest before it is the one left of that
    walk(ids, positions, position, keep, key, draws, before > 0, before, contexts, middle - 1, -1, True)
    walk(ids, positions, position, keep, key, draws, after > 0, after, contexts, middle, 1, True)


@triton.jit(do_not_specialize=SCALARS)
def output_kernel(
    ids,
    probability,  # (V,) float32
    alias,  # (V,) int32
    words,  # V
    key,
    draws,
    centres,  # (W,) int64
    numbers,  # (W,) int64, which of its centre's windows each is
    windows,  # W
    outputs,  # (W, K + 1) int32
    K: tl.constexpr,
    COLUMNS: tl.constexpr,  # K + 1 up to a power of two
    ROWS: tl.constexpr,
):
    w = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    j = tl.arange(0, COLUMNS)[None, :]
    inside = w < windows
    position = tl.load(centres + w, mask=inside, other=0)
    target = tl.load(ids + position, mask=inside, other=0)
    first = 2 + tl.load(numbers + w, mask=inside, other=0) * K
    mask = inside[:, None] & (j <= K)
    drawing = mask & (j > 0)
    random = draw(key, position[:, None], draws, tl.where(drawing, first[:, None] + j - 1, 0))
    column = below(random, words)
    own = (random & 0xFFFFFFFF).to(tl.int64).to(tl.float64) * 2.0**-32
    other = tl.load(alias + column, mask=drawing, other=0)
    chance = tl.load(probability + column, mask=drawing, other=0.0).to(tl.float64)
    drawn = tl.where(j == 0, target[:, None], tl.where(own < chance, column.to(tl.int32), other))
    twice = drawing & False
    for i in range(K):
        earlier = tl.sum(tl.where(j == i, drawn, 0), 1)
        twice = twice | ((j > i) & (drawn == earlier[:, None]))
    tl.store(outputs + w[:, None] * (K + 1) + j, tl.where(twice, -1, drawn), mask=mask)


def skipgram_windows(
    ids: torch.Tensor,
    begin: int,
    end: int,
    keep: torch.Tensor,
    probability: torch.Tensor,
    alias: torch.Tensor,
    window: int,
    negatives: int,
    seed: int,
    epoch: int,
    pairs: bool,
    origin: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `neuralcore.kernels.skipgram_windows.skipgram_windows`, on CUDA tensors; waits for the device once."""
    draws = draws_of(window, negatives, pairs)
    key = key_of(seed, epoch, origin * draws)
    key -= (key >> 63) << 64  # the same bits as a signed number, one type for the compiler
    stretch = end - begin
    centres, total, ends, ranks = 0, 0, ids.new_empty(0), ids.new_empty(0)
    befores, afters = ids.new_empty(stretch), ids.new_empty(stretch)
    programs = (triton.cdiv(stretch, BLOCK),)
    if stretch:
        count_kernel[programs](ids, len(ids), begin, end, keep, window, key, draws, befores, afters, BLOCK=BLOCK)
        counts = befores + afters
        ends, ranks = torch.cumsum(counts, 0), torch.cumsum(counts > 0, 0)
        centres, total = torch.stack([ranks[-1], ends[-1]]).tolist()
    places, offsets = ids.new_empty(centres, dtype=torch.int64), ids.new_zeros(centres + 1, dtype=torch.int64)
    contexts = ids.new_empty(total)
    if centres:
        write_kernel[programs](
            ids,
            len(ids),
            begin,
            end,
            keep,
            key,
            draws,
            befores,
            afters,
            ends,
            ranks,
            places,
            offsets,
            contexts,
            BLOCK=BLOCK,
        )
    numbers = torch.zeros_like(places)
    if pairs:
        lengths, firsts = offsets.diff(), offsets[:-1]
        places = places.repeat_interleave(lengths, output_size=total)
        offsets = torch.arange(total + 1, device=ids.device)
        numbers = offsets[:-1] - firsts.repeat_interleave(lengths, output_size=total)
    outputs = ids.new_empty(len(places), negatives + 1)
    if len(places):
        columns = triton.next_power_of_2(negatives + 1)
        rows = max(1, ELEMENTS // columns)
        output_kernel[(triton.cdiv(len(places), rows),)](
            ids,
            probability,
            alias,
            len(keep),
            key,
            draws,
            places,
            numbers,
            len(places),
            outputs,
            K=negatives,
            COLUMNS=columns,
            ROWS=rows,
        )
    return outputs, offsets, contexts


_STREAM = {"ids": "*i32", "positions": "i64", "begin": "i64", "end": "i64", "keep": "*fp64"}
_RANDOM = {"key": "i64", "draws": "i32"}
_COUNTS = {"befores": "*i32", "afters": "*i32"}
_WRITTEN = {"ends": "*i64", "ranks": "*i64", "centres": "*i64", "offsets": "*i64", "contexts": "*i32"}
_OUTPUT = {"ids": "*i32", "probability": "*fp32", "alias": "*i32", "words": "i32", **_RANDOM}
_OUTPUT |= {"centres": "*i64", "numbers": "*i64", "windows": "i64", "outputs": "*i32"}
_SIZES = {"K": 5, "COLUMNS": 8, "ROWS": 128}
# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (count_kernel, {**_STREAM, "window": "i32", **_RANDOM, **_COUNTS, "BLOCK": "constexpr"}, {"BLOCK": BLOCK}),
    (write_kernel, {**_STREAM, **_RANDOM, **_COUNTS, **_WRITTEN, "BLOCK": "constexpr"}, {"BLOCK": BLOCK}),
    (output_kernel, {**_OUTPUT, **dict.fromkeys(_SIZES, "constexpr")}, _SIZES),
]
