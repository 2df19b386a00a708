"""One question a file: its header says what it answers, its body is the SQL that everything runs."""
