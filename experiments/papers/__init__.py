"""One folder for each paper; none imports another's."""
