"""The page of a diagnosis of checkpoints, from its JSON alone."""
