"""Vectors of a graph's nodes from random walks over it, which are sentences to `graphkit.words`."""
