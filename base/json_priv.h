/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_JSON_PRIV_H
#define TORC_BASE_JSON_PRIV_H

/*
 * json - a text as a JSON string (RFC 8259, section 7)
 *
 * Bytes that are not printable ASCII come as \u00XX, each for itself: whatever
 * the text is, the output is ASCII and can be parsed.
 */

#include <stdio.h>

static inline void
torc__json_print(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

#endif /* TORC_BASE_JSON_PRIV_H */
