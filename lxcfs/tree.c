#include "lxcfs/tree.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "memory.h"

enum { BUCKETS = 1024, NUMBER_SHIFT = 32 };

static struct node root = {.id = TREE_ROOT, .name = "", .path = ""};

/* Open addressing: there are some two hundred nodes. */
static const struct node *nodes[BUCKETS];

/* FNV-1a. */
static uint32_t hash(const char *bytes, size_t length)
{
	uint32_t value = 2166136261U;
	for (size_t i = 0; i < length; i++)
		value = (value ^ (unsigned char)bytes[i]) * 16777619U;
	return value;
}

static const struct node **slot(uint64_t id)
{
	size_t at = id % BUCKETS;
	while (nodes[at] && nodes[at]->id != id)
		at = (at + 1) % BUCKETS;
	return &nodes[at];
}

static void enter(const struct node *node)
{
	const struct node **at = slot(node->id);
	if (*at) {
		log_event(LOG_LEVEL_ERROR, NULL, "%s and %s have the same node id", node->path,
			  (*at)->path);
		abort();
	}
	*at = node;
}

static struct node *add(struct node *parent, const struct file *file, size_t begin, size_t end)
{
	const char *name = file->path + begin;
	for (const struct node *child = parent->children; child; child = child->sibling)
		if (child->length == end - begin && strncmp(child->name, name, end - begin) == 0)
			return (struct node *)child;
	struct node *node = memory_alloc(sizeof(*node));
	bool numbered = memchr(name, '*', end - begin) != NULL;
	*node = (struct node){.id = hash(file->path, end),
			      .name = name,
			      .length = end - begin,
			      .path = file->path,
			      .path_length = end,
			      .parent = parent,
			      .numbered = numbered ? file : parent->numbered,
			      .sibling = parent->children};
	parent->children = node;
	enter(node);
	return node;
}

void tree_build(void)
{
	if (root.children)
		return;
	enter(&root);
	for (unsigned i = 0; i < files_count; i++) {
		struct node *node = &root;
		size_t begin = 0;
		for (;;) {
			size_t end = begin + strcspn(files[i].path + begin, "/");
			node = add(node, &files[i], begin, end);
			if (files[i].path[end] == '\0')
				break;
			begin = end + 1;
		}
		node->file = &files[i];
	}
}

const struct node *tree_node(uint64_t id, unsigned *number)
{
	const struct node *node = *slot(id & UINT32_MAX);
	*number = (unsigned)(id >> NUMBER_SHIFT);
	return node;
}

uint64_t tree_id(const struct node *node, unsigned number)
{
	return node->id | (node->numbered ? (uint64_t)number << NUMBER_SHIFT : 0);
}

/* "cpu12" for "cpu*", with the one way of writing a number. */
static bool matches(const struct node *node, const char *name, unsigned *number)
{
	size_t before = (size_t)((const char *)memchr(node->name, '*', node->length) - node->name);
	const char *digits = name + before, *end;
	if (strncmp(name, node->name, before) != 0 || *digits < '0' || *digits > '9' ||
	    (*digits == '0' && digits[1] >= '0' && digits[1] <= '9'))
		return false;
	uint64_t value = source_number(digits, &end);
	size_t after = node->length - before - 1;
	if (value >= HOST_MAX_CPUS || strlen(end) != after ||
	    strncmp(end, node->name + before + 1, after) != 0)
		return false;
	*number = (unsigned)value;
	return true;
}

const struct node *tree_child(const struct node *directory, const char *name, unsigned *number)
{
	size_t length = strlen(name);
	for (const struct node *child = directory->children; child; child = child->sibling)
		if (memchr(child->name, '*', child->length)
			    ? matches(child, name, number)
			    : child->length == length && strncmp(child->name, name, length) == 0)
			return child;
	return NULL;
}
