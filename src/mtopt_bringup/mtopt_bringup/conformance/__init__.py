"""What a simulator of the cell must be: checked over DDS, and in its files before it runs."""
