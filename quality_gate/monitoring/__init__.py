"""What the gate answers in production, kept and watched."""
