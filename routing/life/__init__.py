"""A ticket's life after the call: states and transitions, what units do, clocks that run, callback, archive."""
