"""What the machine makes of what a caller says: the five elements, the matters, the scope, in readable text. Pure."""
