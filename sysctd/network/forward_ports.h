/* Ports of a forward, from the texts of the API to entries of dnat.h. */
#ifndef SYSCT_NETWORK_FORWARD_PORTS_H
#define SYSCT_NETWORK_FORWARD_PORTS_H

#include "db/parts.h"
#include "error.h"
#include "network/dnat.h"
#include "network/network.h"

struct dnat_list {
	struct dnat *entries;
	size_t count;
};

void dnat_list_clear(struct dnat_list *list);
#define cleanup_dnat_list __attribute__((cleanup(dnat_list_clear)))

/* "80,90-99" as an array of numbers in the order of the text; the caller frees *ports. */
int ports_parse(const char *text, uint16_t **ports, size_t *count, struct error **error);

/**
 * forward_entries - what a row means in a network.
 * Fields of the ports are checked and become texts as they are always written.
 * ERROR_INVALID says which field of which port is wrong.
 */
int forward_entries(struct part_row *row, const struct network *network, struct dnat_list *list,
		    struct error **error);

#endif
