"""The worker process: frames on a socket pair, the parent's side and the child's."""
