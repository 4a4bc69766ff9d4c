"""How results are drawn: colours, captions, order, one map at a time."""
