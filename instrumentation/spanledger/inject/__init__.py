"""The folder that ``spanledger run`` puts on the path of a program."""
