"""What is read off the graph of a model: blocks, stages, kinds of layers, what feeds what."""
