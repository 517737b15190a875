"""A camera's pictures at the observation's size."""
