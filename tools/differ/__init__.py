"""The parts of tools/differential.py: bodies, mutations, the sequence of requests, and how answers are compared."""
