"""Accuracy on labelled data, beside the plain tools."""
