"""When a model is trained anew, and what it then learns from its own operation."""
