/* A check that ends the stage in a crash when it fails. */
#ifndef ASSERT_H
#define ASSERT_H

#define ASSERT(x)                                                                                  \
    do {                                                                                           \
        if (!(x))                                                                                  \
            assert_failed(__FILE__, __LINE__, #x);                                                 \
    } while (0)

/* Never inlined and never merged, so that its return address names the line that failed. */
__attribute__((noinline, noreturn, cold, nomerge)) void assert_failed(const char *file,
                                                                      unsigned int line,
                                                                      const char *condition);

#endif
