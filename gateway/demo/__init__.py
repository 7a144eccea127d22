"""What services does the demo lab have? Small, ordinary upstreams, which know nothing of the gate."""
