"""The tools that agents call: one table, the form each API takes them in, and what a model reads of a run."""
