"""The audit of the paper. `checks` and `rules` test its numbers by arithmetic, `reruns` compares them with our runs;
`claims` puts both into one table. `statements` tests its conclusions, `collapse` looks into its ResNet50's collapse.
"""
