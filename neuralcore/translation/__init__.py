"""Sequence to sequence: translation, captions of images, and the search for the likeliest answer.

A network of `MODELS` is `Class(vocabulary, *, …)`, for sentences of tokens in both languages:

- `forward(source (B, S), target (B, T)) -> (B, T, W)`: what is known before each token of the target's successor;
- `output (V, W)`: whose products with that are scores;
- `decoding(source, length) -> Decoding`: the same token by token, see `neuralcore.translation.beam`;
- `attention(source, target) -> (B, T, S)`: what each step of the target takes of the source, for pictures.
"""

from __future__ import annotations

MODELS = {
    "recurrent": "neuralcore.translation.recurrent:RecurrentTranslator",
    "transformer": "neuralcore.translation.transformer:TransformerTranslator",
}
