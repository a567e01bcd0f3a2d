"""The synthesisers. Imported in a worker process only, never by the front."""
