"""Networks, their weights, and the model folder."""
