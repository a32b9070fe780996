"""How models are loaded and run: checkpoints, tokenization, backends, threads."""
