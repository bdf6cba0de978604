/* Proxy devices: their part of the runtime's spec, and what nat=true needs of the network. */
#ifndef SYSCT_INSTANCE_PROXIES_H
#define SYSCT_INSTANCE_PROXIES_H

#include "instance/instance.h"

/* "sysct.proxies" of the spec from expanded devices, without those that are nat; NULL on failure. */
json_t *proxies_spec(const struct server *server, const struct instance_row *row,
		     const json_t *devices, struct error **error);

/**
 * proxies_translate - the devices with nat=true lead to the instance from now on.
 * @nics: of nics_spec(), whose addresses they must lead to. ERROR_EXISTS names who has a port.
 */
int proxies_translate(struct server *server, const char *name, const json_t *devices,
		      const json_t *nics, struct error **error);

/* It does not run any more. */
void proxies_untranslate(struct server *server, const char *name);

/* A running instance has proxies as @devices say; before them comes back when one cannot start. */
int proxies_replug(struct instance *instance, const struct instance_row *row, const json_t *devices,
		   struct error **error);

/* Back to what it had before the last proxies_replug(), which was not stored. */
void proxies_restore(struct instance *instance);

/**
 * proxies_note, proxies_refresh - a starting daemon: what running instances have.
 * Of nat before the table of nftables is written (nics_sweep()), and of processes, where a daemon
 * was killed between a change and its commit.
 */
void proxies_note(struct server *server);
void proxies_refresh(struct server *server);

#endif
