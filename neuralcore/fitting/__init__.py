"""Fitting a network to data: one loop, `fit`, for vision, sequences and generators; what it measures and draws."""
