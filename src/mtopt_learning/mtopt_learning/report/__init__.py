"""One self-contained HTML page about data, training and evaluation."""
