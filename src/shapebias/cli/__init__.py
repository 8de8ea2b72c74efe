"""The command line: the commands by purpose, their options and parser, and models as they are typed."""
