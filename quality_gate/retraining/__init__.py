"""When a model is trained anew on what people said of its answers."""
