/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_VERSION_PRIV_H
#define TORC_BASE_VERSION_PRIV_H

/* version - of this torc, as a string; the Makefile says which it is */

#define TORC__STRING(text) #text
#define TORC__STRING_OF(name) TORC__STRING(name)
#define TORC__VERSION TORC__STRING_OF(TORC_VERSION)

#endif /* TORC_BASE_VERSION_PRIV_H */
