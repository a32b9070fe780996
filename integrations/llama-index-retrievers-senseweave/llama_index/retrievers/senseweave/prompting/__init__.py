"""Retrieved media as language models take them."""
