/* Codes on the POST port, by which an image tells the simulator what happened. */
#ifndef POST_H
#define POST_H

#define POST_PORT 0x80

/* This stage was given a wrong reply by a server that it took for a right one. A crash shutdown
 * follows. A crash shutdown without this code is an ordinary crash. */
#define POST_WRONG_REPLY 0xe0

#endif
