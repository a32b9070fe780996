"""The demonstration: a sample corpus, a tiny chat model that runs offline, and a tour of both."""
