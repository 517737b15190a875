"""What an observation, an action, a task, an episode and a bag are. No ROS, no torch."""
