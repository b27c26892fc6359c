/*
 * Access to memory that somebody else reads and writes at the same time.
 *
 * A load or store of an index is one 4-byte instruction, in program order: x86 keeps the order of
 * loads and of stores, so only the compiler has to be held back. No instruction here loads twice
 * from shared memory, which the simulator relies on.
 */
#ifndef SHARED_H
#define SHARED_H

#include <inline.h>
#include <stdbool.h>
#include <stdint.h>

#define READ_ONCE(field) (*(const volatile uint32_t *)&(field))
#define WRITE_ONCE(field, value) (*(volatile uint32_t *)&(field) = (value))

INLINE void barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Whole words first, then the odd bytes, ascending. */
INLINE void copy_shared(void *to, const void *from, uint32_t len)
{
    uint32_t words = len / 4;

    __asm__ volatile("rep movsl\n\t"
                     "mov %3, %2\n\t"
                     "rep movsb"
                     : "+&D"(to), "+&S"(from), "+&c"(words)
                     : "r"(len % 4)
                     : "memory");
}

/* One byte at a time, ascending, as the C library of hvmloader does. */
INLINE void fill_shared(void *to, uint8_t byte, uint32_t len)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
}

INLINE bool test_and_clear_bit(uint32_t bit, uint32_t *words)
{
    bool was_set;

    __asm__ volatile("lock btrl %2, %0\n\t"
                     "setc %1"
                     : "+m"(words[bit / 32]), "=q"(was_set)
                     : "r"(bit % 32)
                     : "memory", "cc");
    return was_set;
}

/* Put `replacement` there if `expected` is still there; false, and nothing done, if it is not. */
INLINE bool compare_and_swap8(uint64_t *place, uint64_t expected, uint64_t replacement)
{
    bool done;

    __asm__ volatile("lock cmpxchg8b %0\n\t"
                     "sete %1"
                     : "+m"(*place), "=q"(done), "+A"(expected)
                     : "b"((uint32_t)replacement), "c"((uint32_t)(replacement >> 32))
                     : "memory", "cc");
    return done;
}

#define WRITE_ONCE_BYTE(field, value) (*(volatile uint8_t *)&(field) = (value))

#endif
