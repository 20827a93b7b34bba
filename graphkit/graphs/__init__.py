"""What a graph is: named entities, named relations and edges, in memory or mapped, read from anywhere."""
