/* Functions of which nothing is left but their instructions, at the line of their caller. */
#ifndef INLINE_H
#define INLINE_H

/* nodebug: reports name the line that calls, not a line in here. */
#define INLINE static inline __attribute__((always_inline, nodebug))

#endif
