"""An action in the bin's frame becomes a joint trajectory, behind the one safety clamp."""
