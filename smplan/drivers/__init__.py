"""How each kind of thing is read and changed. Drivers never see the graph, the plan or each other."""
