"""The trainer: a dataset in, a multi-task Q-function out."""
