"""Landscapes of other frameworks; each module imports its own, and none is imported before it is asked for."""
