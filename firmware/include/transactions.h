/* The transactions that the command line has open: one without a name, and others by name. */
#ifndef TRANSACTIONS_H
#define TRANSACTIONS_H

#include <command_line.h>

/* The id that the line's request has to be sent with. */
uint32_t transaction_of(const struct request *request);

void run_transaction(const struct request *request);
void run_commit(const struct request *request);
void run_abort(const struct request *request);

#endif
