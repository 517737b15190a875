"""Success rates with their uncertainty."""
