"""QT-Opt's learner: Q-network, CEM, Bellman targets and losses as pure functions on tensors."""
