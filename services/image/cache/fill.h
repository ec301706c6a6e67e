// SPDX-License-Identifier: Apache-2.0
// Brings queued images into the cache, and lets go of those that are no more. Both block.
#pragma once

#include <stdbool.h>

#define CACHE_INTERVAL_MS 500

void cache_fill(void *image_service); // service_every
struct image_service;
// POST /v2/cache/clean: unfinished files, and images that are gone. False: being filled just now.
bool cache_tidy(struct image_service *image);
