// SPDX-License-Identifier: Apache-2.0
// Reads what the stores hold, slowly, and compares it with its name. What is damaged is marked on
// its images, counted, logged, not served from there, and written again from another store when one
// has it good.
#pragma once

void scrub_register_metrics(void);
void scrub_run(void *image_service); // every SCRUB_INTERVAL_MS; blocks while something is due
