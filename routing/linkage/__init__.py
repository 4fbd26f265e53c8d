"""Three-line linkage on the matter's side: what is kept of it, who is told, whether the lines work (YZ-14(5))."""
