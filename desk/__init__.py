"""The web: the agents' desk and the open API."""
