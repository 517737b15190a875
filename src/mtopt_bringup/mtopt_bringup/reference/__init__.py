"""The cell's nodes, started and asked what they say, hear, serve and take as parameters."""
