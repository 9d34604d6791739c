"""A scripted model on loopback that speaks four APIs as strictly as the real ones: a process of its own, see `__main__`."""
