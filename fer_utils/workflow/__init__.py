"""Run a study: profiles, the list of runs with their commands, cost, progress, and Snakemake (Makefile, Snakefile)."""
