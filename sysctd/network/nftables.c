/* See nftables.h. */
#include "network/nftables.h"

#include <nftables/libnftables.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"

int nftables_run(const char *commands, struct error **error)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!context)
		return error_set(error, ERROR_INTERNAL, "libnftables does not start");
	nft_ctx_buffer_output(context);
	nft_ctx_buffer_error(context);
	int result = nft_run_cmd_from_buffer(context, commands);
	const char *message = nft_ctx_get_error_buffer(context);
	if (result)
		error_set(error, ERROR_UNSUPPORTED,
			  "the kernel refused the rules of nftables (is its module nf_tables "
			  "there?): %.*s",
			  (int)strcspn(message ? message : "", "\n"), message ? message : "");
	nft_ctx_free(context);
	return result ? -1 : 0;
}

char *nftables_list(const char *what, bool handles)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);
	cleanup_free char *command = memory_printf("list %s", what);
	char *text = NULL;
	if (!context)
		return NULL;
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_TERSE | NFT_CTX_OUTPUT_STATELESS |
						  (handles ? NFT_CTX_OUTPUT_HANDLE : 0U));
	nft_ctx_buffer_output(context);
	nft_ctx_buffer_error(context);
	if (nft_run_cmd_from_buffer(context, command) == 0)
		text = memory_strdup(nft_ctx_get_output_buffer(context));
	nft_ctx_free(context);
	return text;
}
