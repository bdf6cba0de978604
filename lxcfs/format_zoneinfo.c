/*
 * All memory of the instance as one zone of one node, whose sums are meminfo's and vmstat's numbers. It keeps nothing
 * back (min, low, high are 0), as a control group does not. Names of counters are those of the host's first zone.
 */
#include "lxcfs/formats.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/values_vmstat.h"

static void add_pages(struct form *form, size_t offset)
{
	unsigned shift = (unsigned)__builtin_ctzl((unsigned long)sysconf(_SC_PAGESIZE));
	form_add_blank(form, (struct blank){.offset = offset, .shift = shift});
}

/* "      nr_mapped    2524": the name has twelve columns, as zoneinfo_show_print() writes it. */
static void add_counter(struct form *form, const char *name)
{
	strbuf_printf(&form->text, "      %-12s ", name);
	vmstat_add(form, name, 0);
	strbuf_append_char(&form->text, '\n');
}

/* "        managed  3840": of the zone itself. */
static void add_size(struct form *form, const char *name)
{
	static const char *const sizes[] = {"spanned", "present", "managed"};
	strbuf_printf(&form->text, "        %-8s ", name);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (strcmp(name, sizes[i]) == 0) {
			add_pages(form, offsetof(struct vmstat, memory.total));
			strbuf_append_char(&form->text, '\n');
			return;
		}
	strbuf_append(&form->text, "0\n");
}

static void add_line(struct form *form, char *line)
{
	char *word = line + strspn(line, " ");
	size_t indent = (size_t)(word - line);
	const char *name = strsep(&word, " ");
	enum { HEADING = 2, COUNTER = 6, SIZE = 8 };
	if (indent == COUNTER) {
		add_counter(form, name);
	} else if (indent == SIZE && strcmp(name, "protection:") == 0) {
		strbuf_append(&form->text, "        protection: (0)\n");
	} else if (indent == SIZE) {
		add_size(form, name);
	} else if (indent == HEADING && strcmp(name, "pages") == 0) {
		strbuf_append(&form->text, "  pages free     ");
		add_pages(form, offsetof(struct vmstat, memory.free));
		strbuf_append_char(&form->text, '\n');
	} else if (indent == HEADING && strcmp(name, "per-node") == 0) {
		strbuf_append(&form->text, "  per-node stats\n");
	}
}

static void make_form(char *source, struct form *form)
{
	strsep(&source, "\n");
	strbuf_append(&form->text, "Node 0, zone   Normal\n");
	for (char *line; (line = strsep(&source, "\n")) && *line == ' ';) {
		if (strcmp(line, "  pagesets") == 0)
			break;
		add_line(form, line);
	}
	strbuf_append(&form->text,
		      "  pagesets\n  node_unreclaimable:  0\n  start_pfn:           1\n");
}

bool format_zoneinfo(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct host *host = instance->host;
	struct vmstat vmstat;
	const struct form *form =
		form_get(&host->forms[HOST_ZONEINFO], host->proc, "zoneinfo", make_form);
	if (!form || !vmstat_read(instance, &vmstat))
		return false;
	form_write(form, &vmstat, text);
	return true;
}
