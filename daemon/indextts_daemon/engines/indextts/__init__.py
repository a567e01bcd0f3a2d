"""IndexTTS-2 and 2.5 in plain PyTorch, computing what upstream computes."""
