"""The labels and images themselves: FER+ votes, duplicates, and all arms' predictions for each image."""
