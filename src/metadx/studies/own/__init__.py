"""A study of one's own data in one command: what they are, what can be learned from them, and how well."""
