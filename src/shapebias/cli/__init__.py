"""The command line: commands grouped by purpose, their options and parser, and the loading of models."""
