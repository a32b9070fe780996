"""Query bundles as media, and hits of an index as nodes."""
