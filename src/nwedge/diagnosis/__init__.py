"""Can these checkpoints be averaged, and what does the landscape around them look like?"""
