"""What people look at: the photos that wait for them, who looks at which, and what they said."""
