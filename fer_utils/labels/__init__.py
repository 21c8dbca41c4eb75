"""What is in the labels and the images: FER+ votes, duplicates, and the answers of all arms image by image."""
