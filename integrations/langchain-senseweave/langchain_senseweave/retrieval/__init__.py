"""Stores that embed media as what they are, search by media, and one ranking over several stores or an index."""
