"""Which unit gets a matter, and what is told again: owners, direct lists, merging, repeats, final opinions."""
