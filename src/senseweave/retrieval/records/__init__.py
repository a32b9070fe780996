"""Records: their schema, how media are chunked, and how records are added, exported and imported."""
