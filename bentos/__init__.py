"""The served side: the code a Bento carries, and what packs it."""
