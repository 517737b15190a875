"""The cell's node graph, its two harnesses and the `mtopt` command."""
