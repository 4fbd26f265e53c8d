"""How the demo model is made: a small Mandarin model for synthetic voices, from nothing but synthetic speech.

`build.py` is the recipe from top to bottom. The sounds are learned once (`corpus.py`, `network.py`: needs numpy and
ten minutes); the words are a graph over those sounds (`vocabulary.py`, `language.py`, `graph.py`: plain Python,
seconds), so new words need no training.
"""
