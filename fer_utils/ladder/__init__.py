"""Beyond the paper: the ladder of recipes and its results."""
