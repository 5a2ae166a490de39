"""Speed, measured as ratios within one run: `make bench`. Not part of the tests."""
