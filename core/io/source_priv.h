/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SOURCE_PRIV_H
#define TORC_CORE_IO_SOURCE_PRIV_H

#include <torc/core/io/reader.h>
#include <torc/core/io/source.h>
#include <torc/core/io/stream.h>

/* What such a source was made of, or NULL: it may be able to show its bytes. */
struct torc_stream *torc__source_stream(struct torc_source source);
struct torc_reader *torc__source_reader(struct torc_source source);

/*
 * The source's read; `bytes` > 0. No source gives more than it was asked for,
 * which is asserted.
 */
ssize_t torc__source_read(struct torc_source source, void *buf, size_t bytes);

#endif /* TORC_CORE_IO_SOURCE_PRIV_H */
