"""What Asterisk does, followed call by call, and told to the rest of the house as events."""
