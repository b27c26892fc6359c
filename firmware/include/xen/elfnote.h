/* ELF notes by which an image tells Xen how to start it. As Xen's public/elfnote.h. */
#ifndef XEN_ELFNOTE_H
#define XEN_ELFNOTE_H

/* The note's value is the physical address of the PVH entry point. */
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#endif
