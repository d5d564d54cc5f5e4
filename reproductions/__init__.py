"""The two papers' experiments on small trained models: runs, and the pages that tell them."""
