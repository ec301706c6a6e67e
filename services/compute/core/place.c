// SPDX-License-Identifier: Apache-2.0
// Filters and weighers as tables.
#include "services/compute/core/place.h"

#include <assert.h>
#include <string.h>

#include "common/base/util.h"

typedef bool (*filter_fn)(const struct place_host *host, const struct place_request *request);
typedef int64_t (*weigh_fn)(const struct place_host *host, const struct place_request *request);

struct filter {
    const char *reason; // "2 too little ram"
    filter_fn passes;
};
struct weigher {
    int64_t multiplier;
    weigh_fn weigh; // 0 … 1,000
};
struct scored {
    const struct place_host *host;
    int64_t score;
    unsigned spread;
};

static bool
passes_up(const struct place_host *host, const struct place_request *request)
{
    return host->is_up;
}

static bool
passes_enabled(const struct place_host *host, const struct place_request *request)
{
    return !host->is_disabled || request->forced_host;
}

static bool
passes_forced(const struct place_host *host, const struct place_request *request)
{
    return !request->forced_host || strcmp(request->forced_host, host->host) == 0;
}

static bool
passes_avoid(const struct place_host *host, const struct place_request *request)
{
    for (const char *const *name = request->avoid; name && *name; name++) {
        if (strcmp(*name, host->host) == 0) {
            return false;
        }
    }
    return true;
}

static bool
passes_zone(const struct place_host *host, const struct place_request *request)
{
    return !request->zone || strcmp(request->zone, host->zone) == 0;
}

static bool
passes_arch(const struct place_host *host, const struct place_request *request)
{
    return !request->arch || strcmp(request->arch, host->arch) == 0;
}

static bool
passes_type(const struct place_host *host, const struct place_request *request)
{
    return !request->hypervisor_type ||
           g_ascii_strcasecmp(request->hypervisor_type, host->hypervisor_type) == 0;
}

static bool
fits(int64_t total, int percent, int64_t claimed, int64_t amount)
{
    // A request larger than the whole machine never fits, whatever the ratio.
    return amount <= total && claimed + amount <= total * percent / 100;
}

static bool
passes_vcpus(const struct place_host *host, const struct place_request *request)
{
    return fits(host->vcpus, host->cpu_percent, host->vcpus_claimed, request->vcpus);
}

static bool
passes_ram(const struct place_host *host, const struct place_request *request)
{
    return fits(host->ram_mib, host->ram_percent, host->ram_claimed, request->ram_mib);
}

static bool
passes_disk(const struct place_host *host, const struct place_request *request)
{
    return fits(host->disk_gib, host->disk_percent, host->disk_claimed, request->disk_gib);
}

static bool
passes_group(const struct place_host *host, const struct place_request *request)
{
    switch (request->group) {
    case PLACE_AFFINITY:
        return request->group_size == 0 || host->group_members > 0;
    case PLACE_ANTI_AFFINITY:
        return host->group_members < MAX(request->max_per_host, 1);
    default:
        return true;
    }
}

static bool
passes_hints(const struct place_host *host, const struct place_request *request)
{
    return (!request->wants_same || host->has_same_wanted) &&
           (!request->wants_different || !host->has_different_wanted);
}

// In this order; what it is about before how much there is.
static const struct filter filters[] = {
    {"down", passes_up},
    {"disabled", passes_enabled},
    {"not the requested host", passes_forced},
    {"failed before", passes_avoid},
    {"in another availability zone", passes_zone},
    {"of another architecture", passes_arch},
    {"of another hypervisor type", passes_type},
    {"too few vcpus", passes_vcpus},
    {"too little ram", passes_ram},
    {"too little disk", passes_disk},
    {"against the server group's policy", passes_group},
    {"against the scheduler hints", passes_hints},
};
_Static_assert(N_ELEMENTS(filters) <= PLACE_MAX_FILTERS, "room for every filter's count");

int64_t
place_free_ram(const struct place_host *host)
{
    return host->ram_mib * host->ram_percent / 100 - host->ram_claimed;
}

static int64_t
permille(int64_t part, int64_t whole)
{
    return whole > 0 ? CLAMP(part * 1000 / whole, 0, 1000) : 0;
}

static int64_t
weigh_ram(const struct place_host *host, const struct place_request *request)
{
    return permille(place_free_ram(host), host->ram_mib * host->ram_percent / 100);
}

static int64_t
weigh_vcpus(const struct place_host *host, const struct place_request *request)
{
    int64_t all = host->vcpus * host->cpu_percent / 100;
    return permille(all - host->vcpus_claimed, all);
}

static int64_t
weigh_group(const struct place_host *host, const struct place_request *request)
{
    int64_t share = permille(host->group_members, MAX(request->group_size, 1));
    switch (request->group) {
    case PLACE_SOFT_AFFINITY:
        return share;
    case PLACE_SOFT_ANTI_AFFINITY:
        return 1000 - share;
    default:
        return 0;
    }
}

static const struct weigher weighers[] = {
    {1, weigh_ram},
    {1, weigh_vcpus},
    {100, weigh_group},
};

static int
by_score(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;
    if (a->score != b->score) {
        return a->score > b->score ? -1 : 1;
    }
    if (a->spread != b->spread) {
        return a->spread < b->spread ? -1 : 1;
    }
    return strcmp(a->host->host, b->host->host);
}

static int
first_refusing(const struct place_host *host, const struct place_request *request)
{
    for (unsigned i = 0; i < N_ELEMENTS(filters); i++) {
        if (!filters[i].passes(host, request)) {
            return (int)i;
        }
    }
    return -1;
}

static int64_t
score(const struct place_host *host, const struct place_request *request)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < N_ELEMENTS(weighers); i++) {
        sum += weighers[i].multiplier * weighers[i].weigh(host, request);
    }
    return sum;
}

void
place(const struct place_host *hosts, unsigned n_hosts, const struct place_request *request,
      struct place_result *ret_result)
{
    g_autofree struct scored *scored = g_new(struct scored, n_hosts + 1);
    memset(ret_result, 0, sizeof(*ret_result));
    ret_result->n_hosts = n_hosts;
    unsigned n = 0, seed = request->server_id ? g_str_hash(request->server_id) : 0;
    for (unsigned i = 0; i < n_hosts; i++) {
        int refusing = first_refusing(&hosts[i], request);
        if (refusing >= 0) {
            ret_result->refused[refusing]++;
            continue;
        }
        unsigned spread = (g_str_hash(hosts[i].host) ^ seed) * 2654435761u;
        scored[n++] = (struct scored){&hosts[i], score(&hosts[i], request), spread};
    }
    qsort(scored, n, sizeof(*scored), by_score);
    ret_result->ranked = g_new(const struct place_host *, n + 1);
    ret_result->n_ranked = n;
    for (unsigned i = 0; i < n; i++) {
        ret_result->ranked[i] = scored[i].host;
    }
}

void
place_result_done(struct place_result *result)
{
    g_clear_pointer(&result->ranked, g_free);
}

char *
place_explain(const struct place_result *result)
{
    GString *text = g_string_new("No valid host was found.");
    g_string_append_printf(text, " %u host%s", result->n_hosts, result->n_hosts == 1 ? "" : "s");
    const char *separator = ": ";
    for (unsigned i = 0; i < N_ELEMENTS(filters); i++) {
        if (result->refused[i]) {
            g_string_append_printf(text, "%s%u %s", separator, result->refused[i],
                                   filters[i].reason);
            separator = ", ";
        }
    }
    return g_string_free(text, FALSE);
}

enum place_group
place_group_from_text(const char *policy)
{
    static const char *const names[] = {
        [PLACE_AFFINITY] = "affinity",
        [PLACE_ANTI_AFFINITY] = "anti-affinity",
        [PLACE_SOFT_AFFINITY] = "soft-affinity",
        [PLACE_SOFT_ANTI_AFFINITY] = "soft-anti-affinity",
    };
    for (unsigned i = 1; policy && i < N_ELEMENTS(names); i++) {
        if (strcmp(names[i], policy) == 0) {
            return i;
        }
    }
    return PLACE_NO_GROUP;
}
