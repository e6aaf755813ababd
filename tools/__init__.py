"""Developers' tools: generators of data, drivers of test suites, and comparisons. Nothing of it is installed."""
