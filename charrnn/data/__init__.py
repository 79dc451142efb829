"""From a source of text to windows of ids: fetching, decoding, the vocabulary, ids on disk, splits, streams."""
