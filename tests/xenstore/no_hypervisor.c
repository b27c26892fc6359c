/* Stands in for Xen's libraries, so that a real xenstored or oxenstored runs where there is no
 * hypervisor: domain 0 is there and nobody else, no event ever comes, and the ring page is an empty
 * file. What a daemon would do in the folders of the system, it does in the folder NO_HYPERVISOR. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define HANDLE ((void *)1)

static char pretended[4096];

static const char *in_folder(const char *name)
{
    snprintf(pretended, sizeof(pretended), "%s/%s", getenv("NO_HYPERVISOR"), name);
    return pretended;
}

void *xc_interface_open(void *a, void *b, unsigned c) { return HANDLE; }
int xc_interface_close(void *handle) { return 0; }
int xc_domain_getinfo(void *handle, uint32_t first, unsigned count, void *info)
{
    if (first) {
        errno = ESRCH;
        return -1;
    }
    memset(info, 0, 64);
    return 1;
}

static int events = -1;
void *xenevtchn_open(void *logger, unsigned flags)
{
    int before = errno;
    events = open(in_folder("events"), O_RDWR);
    errno = before;
    return HANDLE;
}
void *xenevtchn_fdopen(void *logger, int fd, unsigned flags) { return HANDLE; }
int xenevtchn_fd(void *handle) { return events; }
int xenevtchn_bind_interdomain(void *handle, uint32_t domid, uint32_t port) { return 6; }
int xenevtchn_bind_virq(void *handle, unsigned virq) { return 5; }
int xenevtchn_unbind(void *handle, uint32_t port) { return 0; }
int xenevtchn_notify(void *handle, uint32_t port) { return 0; }
int xenevtchn_unmask(void *handle, uint32_t port) { return 0; }
int xenevtchn_pending(void *handle) { return -1; }

void *xengnttab_open(void *logger, unsigned flags) { return HANDLE; }
int xengnttab_close(void *handle) { return 0; }
int xengnttab_set_max_grants(void *handle, uint32_t count) { return 0; }
int xengnttab_unmap(void *handle, void *page, uint32_t count) { return 0; }
void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t ref, int flags) { return 0; }

static const char *ours(const char *path)
{
    if (strstr(path, "/xsd_port"))
        return in_folder("port");
    if (strstr(path, "/xsd_kva"))
        return in_folder("ring");
    if (!strncmp(path, "/var/run/xen", 12) || !strncmp(path, "/var/log/xen", 12))
        return in_folder(strrchr(path, '/') + 1);
    return path;
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    va_list rest;
    int mode;

    va_start(rest, flags);
    mode = va_arg(rest, int);
    va_end(rest);
    return real(ours(path), flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int unlink(const char *path)
{
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    return real(ours(path));
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "mkdir");
    return ours(path) == path ? real(path, mode) : 0;
}

int chmod(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "chmod");
    return real(ours(path), mode);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_un here = { .sun_family = AF_UNIX };

    if (address->sa_family != AF_UNIX)
        return real(fd, address, length);
    snprintf(here.sun_path, sizeof(here.sun_path), "%s",
             ours(((const struct sockaddr_un *)address)->sun_path));
    return real(fd, (const struct sockaddr *)&here, sizeof(here));
}

/* oxenstored asks for more open files than a container may have. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) { return 0; }

/* oxenstored is bound to all of its libraries' functions when it starts, and calls none of these; nor
 * does xenstore-control. */
#define NEVER(name) long name(void) { errno = ENOSYS; return -1; }
NEVER(xc_assign_device)
NEVER(xc_cpumap_alloc)
NEVER(xc_deassign_device)
NEVER(xc_dom_allocate)
NEVER(xc_dom_kernel_file)
NEVER(xc_dom_release)
NEVER(xc_domain_create)
NEVER(xc_domain_destroy)
NEVER(xc_domain_getinfolist)
NEVER(xc_domain_increase_reservation_exact)
NEVER(xc_domain_iomem_permission)
NEVER(xc_domain_ioport_permission)
NEVER(xc_domain_irq_permission)
NEVER(xc_domain_max_vcpus)
NEVER(xc_domain_pause)
NEVER(xc_domain_resume)
NEVER(xc_domain_set_memmap_limit)
NEVER(xc_domain_sethandle)
NEVER(xc_domain_setmaxmem)
NEVER(xc_domain_shutdown)
NEVER(xc_domain_unpause)
NEVER(xc_error_code_to_desc)
NEVER(xc_evtchn_alloc_unbound)
NEVER(xc_evtchn_reset)
NEVER(xc_get_cpu_featureset)
NEVER(xc_get_last_error)
NEVER(xc_get_max_cpus)
NEVER(xc_getcpuinfo)
NEVER(xc_map_foreign_range)
NEVER(xc_physinfo)
NEVER(xc_readconsolering)
NEVER(xc_sched_credit_domain_get)
NEVER(xc_sched_credit_domain_set)
NEVER(xc_sched_id)
NEVER(xc_send_debug_keys)
NEVER(xc_shadow_control)
NEVER(xc_test_assign_device)
NEVER(xc_vcpu_getaffinity)
NEVER(xc_vcpu_getcontext)
NEVER(xc_vcpu_getinfo)
NEVER(xc_vcpu_setaffinity)
NEVER(xc_version)
NEVER(xc_watchdog)
NEVER(xenevtchn_close)
