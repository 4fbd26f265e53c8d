"""The watch: sees what has become due, says so to those who have to act, and proposes; people decide."""
