"""The Huffman tree of hierarchical softmax: frequent words are reached in few steps.

Morin & Bengio 2005; Mikolov et al. 2013, https://arxiv.org/abs/1310.4546, section 2.1. A tree over V words has V - 1
inner nodes, each with a vector of its own. A word's probability is the product, over the inner nodes on the way from
the root to it, of s(v . x) where the way goes left and s(-v . x) where it goes right: its cost is that of about
log2(V) outputs, not V.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


def huffman_paths(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The way from the root to each word.

    Args:
        counts: (V,) occurrences of the words, 1 or more. Equal counts are told apart by their number, so the tree is
            a function of the counts.

    Returns:
        nodes: (V, R) int32, the inner nodes 0..V-2 from the root on, R the longest way; -1 after its end.
        signs: (V, R) int8, 1 where the way goes left, -1 where it goes right.
    """
    words = len(counts)
    order = np.argsort(counts, kind="stable")  # the rarest first
    leaves = [(int(counts[word]), int(word)) for word in order]
    # Inner nodes are made in the order of their counts, so the two rarest of all lie at the fronts of two queues.
    inner: list[int] = []  # counts
    parent = np.zeros(2 * words - 1, np.int64)
    right = np.zeros(2 * words - 1, bool)
    leaf = node = 0

    def rarest() -> tuple[int, int]:
        """Count and number of the rarest subtree left: a word, or V + an inner node."""
        nonlocal leaf, node
        if leaf < words and (node >= len(inner) or leaves[leaf][0] <= inner[node]):
            leaf += 1
            return leaves[leaf - 1]
        node += 1
        return inner[node - 1], words + node - 1

    for number in range(words - 1):
        (count, one), (more, other) = rarest(), rarest()
        inner.append(count + more)
        parent[[one, other]] = words + number
        right[other] = True

    # From the root, the last inner node, down: a child's way is its parent's and one step more.
    depth = np.zeros(2 * words - 1, np.int64)
    for child in range(2 * words - 3, words - 1, -1):
        depth[child] = depth[parent[child]] + 1
    depth[:words] = depth[parent[:words]] + 1 if words > 1 else 0
    longest = int(depth[:words].max(initial=0))
    nodes, signs = np.full((words, longest), -1, np.int32), np.ones((words, longest), np.int8)
    at, step, rows = np.arange(words), depth[:words] - 1, np.arange(words)
    while len(rows):
        going = step >= 0
        at, step, rows = at[going], step[going], rows[going]
        nodes[rows, step] = parent[at] - words
        signs[rows, step] = np.where(right[at], -1, 1)
        at, step = parent[at], step - 1
    return nodes, signs
