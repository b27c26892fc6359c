/* The watches that the command line has set, and what comes of them. */
#ifndef WATCHES_H
#define WATCHES_H

#include <command_line.h>
#include <requests.h>

/* For xenbus_setup: an event has come. */
void watches_handle_event(struct slice path, struct slice token);

void watches_begin(enum strange_events strange);

void run_watch(const struct request *request);
void run_unwatch(const struct request *request);
void run_event(const struct request *request);
void run_until(const struct request *request);
void run_reset_watches(const struct request *request);

#endif
