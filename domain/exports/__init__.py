"""Exports: a list, an ICP or a search as a file, with what its reader may see and nothing else."""
