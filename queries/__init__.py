"""The question library: one SQL file a question, read through ``importlib.resources``.

Each file starts with a comment header that says title, purpose, grain, parameters (name, type, default,
meaning), columns (name, unit, meaning), the chart that shows it best and, where the rows are wide, the columns of
its table form. Fields of a line are told apart by two spaces or more.
"""
