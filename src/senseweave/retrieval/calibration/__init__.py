"""The statistics by which scores of different lists become comparable, and how they are estimated."""
