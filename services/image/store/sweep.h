// SPDX-License-Identifier: Apache-2.0
// Puts in order what crashes leave: uploads whose process is gone, temporary files, blobs that no
// image names.
#pragma once

struct image_service;
void sweep_adopt(void *image_service); // once at start: files that the tables do not know
void sweep(void *image_service);       // every SWEEP_INTERVAL_MS
