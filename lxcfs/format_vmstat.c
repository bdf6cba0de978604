#include "lxcfs/formats.h"

#include <string.h>

#include "lxcfs/values_vmstat.h"

static void make_form(char *source, struct form *form)
{
	for (char *line; (line = strsep(&source, "\n")) && *line;) {
		const char *name = strsep(&line, " ");
		strbuf_printf(&form->text, "%s ", name);
		vmstat_add(form, name, 0);
		strbuf_append_char(&form->text, '\n');
	}
}

bool format_vmstat(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct host *host = instance->host;
	struct vmstat vmstat;
	const struct form *form =
		form_get(&host->forms[HOST_VMSTAT], host->proc, "vmstat", make_form);
	if (!form || !vmstat_read(instance, &vmstat))
		return false;
	form_write(form, &vmstat, text);
	return true;
}
