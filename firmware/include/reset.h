/* Resetting the ring by hand, where the server offers nothing better. */
#ifndef RESET_H
#define RESET_H

/*
 * Fill both buffers with 0xff, which is no valid packet, then set the four indices to 0.
 *
 * The order of the stores is that of a distributed hvmloader binary: the fill one byte at a time,
 * req then rsp, then req_prod, req_cons, rsp_prod, rsp_cons. Nobody asks the server, so it may
 * load the indices at any moment of this and see values that never belonged together.
 */
void reset_poison(void);

/* The first half of it: the fill alone. */
void reset_poison_fill(void);

/* The second half of it: the four indices. */
void reset_indices(void);

#endif
