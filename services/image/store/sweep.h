// SPDX-License-Identifier: Apache-2.0
// Puts in order what crashes leave: uploads whose process is gone, temporary files, unfinished
// writes, blobs in stores where no image wants them.
#pragma once

struct image_service;
void sweep_adopt(void *image_service); // every ADOPT_INTERVAL_MS: bytes that the tables do not know
// Both every SWEEP_INTERVAL_MS, each in its thread: stores that do not answer keep no upload
// waiting.
void sweep(void *image_service);        // uploads, staged data, tasks, temporary files
void sweep_stores(void *image_service); // blobs and unfinished writes
