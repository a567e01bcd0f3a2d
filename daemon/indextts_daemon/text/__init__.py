"""Text on its way to a voice: cleaning, language, sentences. Serves every engine."""

TEXT_RULES_VERSION = "2"  # part of the revision: raise it when any text is read differently
