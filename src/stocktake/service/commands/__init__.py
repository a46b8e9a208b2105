"""The use cases, a module each. Every face calls these and nothing else, and imports the one that it calls: so no
command waits for what only another one needs.
"""
