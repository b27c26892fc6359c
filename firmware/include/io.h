/* Ports. */
#ifndef IO_H
#define IO_H

#include <inline.h>
#include <stdint.h>

INLINE void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

#endif
