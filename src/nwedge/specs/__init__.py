"""What is to be done, in words: no torch here, only frozen dataclasses that survive JSON."""
