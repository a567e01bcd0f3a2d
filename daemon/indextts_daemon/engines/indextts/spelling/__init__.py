"""How the published checkpoints spell their tensors, and how we do: a table per stage."""
