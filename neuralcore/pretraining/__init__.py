"""Learning before, or with few, labels: from rotations, views and triplets; from some labels and many images; from
episodes of few examples a class; and the linear probe that judges features.
"""
