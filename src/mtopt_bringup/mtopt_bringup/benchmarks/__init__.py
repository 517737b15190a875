"""One module a benchmark: add_arguments(parser), run(arguments) -> dict."""
