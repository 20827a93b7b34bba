"""Nearest neighbours by name, over any named vectors."""
