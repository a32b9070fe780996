"""From files to nodes: the reader, and the parser that splits text and keeps media whole."""
