"""Beyond the paper: recipes, a rung each, and what came of them (notebook 08)."""
