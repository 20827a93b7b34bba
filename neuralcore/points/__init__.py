"""Networks for clouds of points: PointNet, and an autoencoder by the Chamfer distance."""
