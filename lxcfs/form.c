#include "lxcfs/form.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

void form_add_blank(struct form *form, struct blank blank)
{
	blank.end = form->text.length;
	form->blanks = memory_realloc(form->blanks, (form->count + 1) * sizeof(form->blanks[0]));
	form->blanks[form->count++] = blank;
}

static void form_free(struct form *form)
{
	if (!form)
		return;
	strbuf_free(&form->text);
	free(form->blanks);
	free(form);
}

const struct form *form_get(struct form_slot *slot, int dirfd, const char *path,
			    void (*make)(char *source, struct form *form))
{
	struct form *form = atomic_load_explicit(&slot->form, memory_order_acquire);
	if (form)
		return form;
	cleanup_free char *source = file_try_read_at(dirfd, path);
	if (!source)
		return NULL;
	form = memory_alloc(sizeof(*form));
	make(source, form);
	struct form *before = NULL;
	if (atomic_compare_exchange_strong(&slot->form, &before, form))
		return form;
	form_free(form); /* another thread was faster */
	return before;
}

void form_release(struct form_slot *slot)
{
	form_free(atomic_exchange(&slot->form, NULL));
}

void form_write(const struct form *form, const void *values, struct text *text)
{
	size_t at = 0;
	for (size_t i = 0; i < form->count; i++) {
		const struct blank *blank = &form->blanks[i];
		const uint64_t *number =
			(const void *)((const unsigned char *)values + blank->offset);
		text_add_bytes(text, form->text.text + at, blank->end - at);
		text_add_number(text, *number >> blank->shift, blank->width);
		at = blank->end;
	}
	text_add_bytes(text, form->text.text + at, form->text.length - at);
}
