"""Networks for clips, one idea a file, and the task of telling what moves how.

A network of `MODELS` is `Class(classes, *, channels, size, …)`, normalised clips (B, T, C, H, W) -> logits
(B, classes).
"""

MODELS = {
    "c3d": "neuralcore.clips.c3d:C3D",
    "inflated": "neuralcore.clips.inflated:Inflated",
    "recurrent": "neuralcore.clips.recurrent:Recurrent",
}
