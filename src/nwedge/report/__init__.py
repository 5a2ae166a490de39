"""What one sees: figures and report.html, from stored results alone."""
