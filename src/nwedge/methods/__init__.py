"""How one measures: every method works on any landscape, through its free functions."""
