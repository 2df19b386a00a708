"""Answers: the question library, its parameters, and the forms in which an answer is printed."""
