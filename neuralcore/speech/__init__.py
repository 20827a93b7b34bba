"""First steps to speech: frames in, symbols out, and nobody says which frame is which symbol. CTC and transducers."""
