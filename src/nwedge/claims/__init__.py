"""What the poster says: one file a claim, each with a measurement and a verdict."""
