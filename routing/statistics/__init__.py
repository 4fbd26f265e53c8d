"""Statistics: what is counted, per whom and when, what follows from it, and how it leaves the house."""
