"""What runs the study: profiles, its runs with their commands, cost, progress, and Snakemake (Makefile, Snakefile)."""
