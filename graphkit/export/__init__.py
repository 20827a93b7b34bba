"""Vectors of all kinds for other programs: their files, viewers and runtimes."""
