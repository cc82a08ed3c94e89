"""What models predicted, kept beside the labels: labels, probabilities, disagreement."""
