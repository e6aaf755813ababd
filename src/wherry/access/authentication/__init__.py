"""Who asks: one module per way to show it. `access/chain.py` asks them in order."""
