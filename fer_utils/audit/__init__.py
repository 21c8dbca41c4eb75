"""The audit of the paper: its numbers against arithmetic (`checks`, `rules`) and our runs (`reruns`), its conclusions
(`statements`), and why its ResNet50 collapsed (`collapse`). `claims` puts them into one table.
"""
