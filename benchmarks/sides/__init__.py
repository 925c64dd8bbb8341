"""How each library runs a meta-step, each in the manner of its own documentation."""
