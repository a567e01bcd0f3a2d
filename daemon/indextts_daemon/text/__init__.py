"""Text on its way to a voice: cleaning, language, sentences. Serves every engine."""
