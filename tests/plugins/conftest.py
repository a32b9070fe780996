"""The example package runs in a process of its own, where it is installed."""

collect_ignore = ["example_family"]
