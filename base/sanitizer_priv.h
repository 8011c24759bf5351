/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_SANITIZER_PRIV_H
#define TORC_BASE_SANITIZER_PRIV_H

/*
 * sanitizer - which one this build has: TORC__ASAN, TORC__TSAN, or none
 *
 * gcc and clang announce them differently.
 */

#if defined(__SANITIZE_ADDRESS__)
#define TORC__ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TORC__TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TORC__ASAN 1
#elif __has_feature(thread_sanitizer)
#define TORC__TSAN 1
#endif
#endif

#endif /* TORC_BASE_SANITIZER_PRIV_H */
