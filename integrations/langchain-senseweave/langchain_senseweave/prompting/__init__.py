"""From documents to what a chat model sees: content blocks, a prompt and a tool for agents."""
