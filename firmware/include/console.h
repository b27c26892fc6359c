/* Text for people, byte by byte on Xen's debug port. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

void print(const char *text);
void print_number(uint32_t number);

/* As they are, but with bytes that cannot be printed as \xNN, and "..." where it is too long. */
void print_bytes(const char *bytes, uint32_t len);

/* The same in quotes. */
void print_quoted(const char *bytes, uint32_t len);

#endif
