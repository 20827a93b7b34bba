"""How an edge is scored: operators, comparators and losses, each with its derivative written out.

    score(h, r, t) = comparator( operator(x_h, w_r), x_t )

Forward functions are plain differentiable torch, so that autograd can take them (the reference of op `edge_step`, and
anyone's experiment); beside each stands its derivative by hand, for the fast step. A test holds the two together.
"""
