"""How tasks run: what may start, what has failed, what is left; knows specs and the store, neither torch nor claims."""
