"""Data sets: examples in memory, the readers of their files, and how batches of images are varied."""
