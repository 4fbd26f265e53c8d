"""The call: all that is said to Asterisk, and what a caller goes through."""
