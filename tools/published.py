"""Accuracy on Omniglot in the papers, %, whose splits are random characters with drawers in common."""

OMNIGLOT = {  # by algorithm, ways and shots
    ("protonet", 5, 1): "98.8",
    ("protonet", 5, 5): "99.7",
    ("protonet", 20, 1): "96.0",
    ("protonet", 20, 5): "98.9",
    ("maml", 5, 1): "98.7±0.4",
    ("fomaml", 5, 1): "98.3±0.5",
    ("reptile", 5, 1): "95.39±0.09",
    ("maml++", 5, 1): "99.47",
    ("meta_sgd", 5, 1): "99.53±0.26",
    ("imaml", 5, 1): "99.16±0.35",
}
