/* The requests that are about a node of the store. */
#ifndef NODES_H
#define NODES_H

#include <command_line.h>

void run_read(const struct request *request);
void run_write(const struct request *request);
void run_mkdir(const struct request *request);
void run_rm(const struct request *request);
void run_directory(const struct request *request);
void run_directory_part(const struct request *request);
void run_get_perms(const struct request *request);
void run_set_perms(const struct request *request);

#endif
