"""What all loaders of other frameworks' files share: foreign tensors, and how ours hold them."""
