"""What reads sequences: recurrent layers, attention, Transformers and their caches."""
