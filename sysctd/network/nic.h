/* NICs of instances: what their devices mean, their addresses, their names in DNS. */
#ifndef SYSCT_NETWORK_NIC_H
#define SYSCT_NETWORK_NIC_H

#include <jansson.h>
#include <sys/types.h>

#include "db/instances.h"
#include "error.h"

struct server;

/* Validators of the keys of a NIC (instance/device_types.c), and of the keys together. */
int nic_check_name(const char *value, struct error **error);
int nic_check_type(const char *value, struct error **error);
int nic_check_hwaddr(const char *value, struct error **error);
int nic_check_mtu(const char *value, struct error **error);
int nic_check_queue(const char *value, struct error **error);
int nic_check_priority(const char *value, struct error **error);
int nic_check_order(const char *value, struct error **error);
int nic_check_table(const char *value, struct error **error);
int nic_check_ipv4(const char *value, struct error **error);
int nic_check_ipv6(const char *value, struct error **error);
int nic_check_routes4(const char *value, struct error **error);
int nic_check_routes6(const char *value, struct error **error);
int nic_check_gateway4(const char *value, struct error **error);
int nic_check_gateway6(const char *value, struct error **error);
int nic_check_bool(const char *value, struct error **error);
int nic_check_rate(const char *value, struct error **error);
int nic_check_vlan(const char *value, struct error **error);
int nic_check_vlans(const char *value, struct error **error);
int nic_check_mode(const char *value, struct error **error);
int nic_check_device(const json_t *device, struct error **error);

/**
 * nics_assign - give the NICs of an instance what they keep: MAC and IPv4 addresses, noted as
 * volatile.DEVICE.* in row->config; addresses that are given are checked.
 * @devices: expanded. @changed: keys that are new, as {key: value}; may be NULL.
 * ERROR_NOT_FOUND for a network that is not there, ERROR_NO_SPACE when it is full.
 */
int nics_assign(struct server *server, struct instance_row *row, const json_t *devices,
		json_t *changed, struct error **error);

/* Every ACL that a NIC among @devices names is there, or ERROR_NOT_FOUND. */
int nics_check_acls(struct server *server, const json_t *devices, struct error **error);

/* An instance is gone, or was not created: its addresses are free again. */
void nics_release(struct server *server, const char *uuid);

/* A row that was read by a starting daemon: its addresses are taken. */
void nics_note(struct server *server, const struct instance_row *row);

/* "sysct.nics" of the runtime's spec; NULL on failure. nics_assign() came before. */
json_t *nics_spec(struct server *server, const struct instance_row *row, const json_t *devices,
		  struct error **error);

/* The instance is about to run: filters, DHCP and DNS know it. @nics: of nics_spec(); what
 * others ask of the NICs is added (dnat_mark_hairpins()). */
int nics_announce(struct server *server, const char *uuid, const char *name, json_t *nics,
		  struct error **error);

/* The same for one that runs with other NICs so far. */
int nics_change(struct server *server, const char *uuid, const char *name, json_t *nics,
		struct error **error);

/* It does not run any more. */
void nics_withdraw(struct server *server, const char *uuid);

/* A starting daemon: files of instances that ended while nobody watched go. */
void nics_sweep(struct server *server);

/* NICs of a running instance come and go: what @new has beside @old, and the other way. */
int nics_replug(const json_t *old, const json_t *new, pid_t pid, struct error **error);

#endif
