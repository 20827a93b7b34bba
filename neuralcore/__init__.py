"""The core that agents, embeddings, vision and sequence models stand on.

It imports no reinforcement learning and no graphs; its kernels know arrays only. Nothing heavy is imported
here: `import neuralcore` costs milliseconds, and `neuralcore.layers` brings torch when it is first used.
"""

__version__ = "0.1.0"
