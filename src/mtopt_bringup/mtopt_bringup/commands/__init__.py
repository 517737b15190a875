"""One module a subcommand of `mtopt`: SUMMARY, EXAMPLE, add_arguments(parser), run(arguments)."""
