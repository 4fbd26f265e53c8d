"""What server.py needs to be the front door: children, checks, commands."""
