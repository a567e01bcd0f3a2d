"""One network per file; none opens a file or knows how a checkpoint is spelled."""
