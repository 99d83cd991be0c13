"""The public test kit: what a test of Jobyard, or of a program built on it, may use."""
