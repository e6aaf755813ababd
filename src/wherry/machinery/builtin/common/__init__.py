"""Validators that built-in and custom kinds share: names, labels, metadata, quantities, pod templates' small parts."""
