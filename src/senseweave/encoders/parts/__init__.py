"""Parts that several families share: pooling, towers, spectrograms, prompts."""
