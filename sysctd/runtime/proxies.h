/*
 * Proxy devices of an instance: "sysct.proxies" of the spec. Each has "device", "program" (the path
 * of sysct-proxy), and what that program takes (proxy/main.c), all texts.
 */
#ifndef SYSCT_PROXIES_H
#define SYSCT_PROXIES_H

#include <jansson.h>

/**
 * proxies_remove_sockets - sockets that proxies which have ended left in the file system of the host.
 * @patience: ms to wait for one that is just ending. What others listen to stays.
 */
void proxies_remove_sockets(const json_t *proxies, int patience);
void proxy_remove_socket(const json_t *proxy, int patience);

#endif
