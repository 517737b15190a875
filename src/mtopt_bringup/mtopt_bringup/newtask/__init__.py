"""New tasks on top of MT-Opt's experiment (arXiv 2104.08212): zero-shot, fine-tuned, control."""
