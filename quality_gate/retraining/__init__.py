"""What a model learns from its own operation."""
