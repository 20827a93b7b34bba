"""Language models, and what is learned from texts."""
