"""Vectors of a multi-relation graph, trained on its edges in memory or in partitions, and judged."""
