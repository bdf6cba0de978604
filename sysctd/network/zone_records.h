/*
 * Records of a zone, as lines for dnsmasq. Addresses without a ttl are lines of a file
 * of hosts, which is read again without a gap; everything else is configuration, with
 * which dnsmasq must be started again: host-record, cname and, for all other types,
 * dns-rr with the bytes of the record.
 */
#ifndef SYSCT_NETWORK_ZONE_RECORDS_H
#define SYSCT_NETWORK_ZONE_RECORDS_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "strbuf.h"

/* Letters, digits, "-" and "_" between dots, as long as DNS allows. */
int zone_check_name(const char *name, struct error **error);

/* "@" is the zone itself. */
int zone_check_record_name(const char *name, struct error **error);

/**
 * zone_records_check - the entries of a record.
 * Types become upper case. ERROR_UNSUPPORTED names a type or a ttl that dnsmasq cannot serve.
 * @local: whether a name is in a zone of this server (for CNAME).
 */
int zone_records_check(const char *zone, const char *record, json_t *entries,
		       bool (*local)(const char *name, void *data), void *data,
		       struct error **error);

/* The lines of checked entries; either buffer may be NULL. */
void zone_records_write(const char *zone, const char *record, const json_t *entries,
			struct strbuf *hosts, struct strbuf *config);

/* The name servers of a zone, "a.example.net,b.example.net". */
int zone_nameservers_check(const char *zone, const char *names, struct error **error);
void zone_nameservers_write(const char *zone, const char *names, struct strbuf *config);

#endif
