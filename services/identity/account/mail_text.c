// SPDX-License-Identifier: Apache-2.0
// What mails say, and their form (RFC 5322). Pure.
#include "common/base/util.h"
#include "services/identity/account/mail.h"
#include <string.h>
#include <time.h>

#define LOCAL_MAX 64
#define ADDRESS_MAX 254

static const struct {
    const char *language;
    const char *subjects[2], *bodies[2]; // by mail_kind; %s: the link
} texts[] = {
    {"ko",
     {"계정을 확인해 주세요", "이미 계정이 있습니다"},
     {"이 주소로 Haneul 계정을 만들겠다는 요청을 받았습니다.\n\n계정을 열려면 다음을 "
      "사용하세요:\n\n%s\n\n요청하지 않으셨다면 이 메일을 무시하세요.\n",
      "이 주소로 Haneul 계정을 만들겠다는 요청을 받았지만, 이미 계정이 있습니다.\n비밀번호로 "
      "로그인하세요. 요청하지 않으셨다면 이 메일을 무시하세요.\n"}},
    {"en",
     {"Confirm your account", "You already have an account"},
     {"Somebody asked for a Haneul account with this address.\n\nTo open it, use:\n\n%s\n\nIf it "
      "was not you, ignore this mail.\n",
      "Somebody asked for a Haneul account with this address, but you already have an "
      "account.\nSign in with your password. If it was not you, "
      "ignore this mail.\n"}},
};

struct mail_text
mail_text_of(enum mail_kind kind, const char *locale, const char *link)
{
    size_t i = 0;
    while (i + 1 < N_ELEMENTS(texts) && strncmp(locale, texts[i].language, 2)) {
        i++;
    }
    g_auto(GStrv) parts = g_strsplit(texts[i].bodies[kind], "%s", 2);
    return (struct mail_text){texts[i].subjects[kind], g_strjoinv(link, parts)};
}

char *
mail_address_of(const char *from)
{
    const char *open = strrchr(from, '<'), *close = open ? strchr(open, '>') : NULL;
    g_autofree char *text = close ? g_strndup(open + 1, (gsize)(close - open - 1)) : g_strdup(from);
    return mail_address_check(g_strstrip(text));
}

static bool
is_local_part(const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~.";
    return len && len <= LOCAL_MAX && strspn(text, allowed) == len && text[0] != '.' &&
           text[len - 1] != '.' && !g_strstr_len(text, (gssize)len, "..");
}

static bool
is_domain(const char *text)
{
    g_auto(GStrv) labels = g_strsplit(text, ".", -1);
    for (char **label = labels; *label; label++) {
        size_t len = strlen(*label);
        if (!len || len > 63 || strspn(*label, "abcdefghijklmnopqrstuvwxyz0123456789-") != len ||
            **label == '-' || (*label)[len - 1] == '-') {
            return false;
        }
    }
    return labels[0] && labels[1];
}

char *
mail_address_check(const char *text)
{
    if (strlen(text) > ADDRESS_MAX || !g_str_is_ascii(text)) {
        return NULL;
    }
    g_autofree char *lower = g_ascii_strdown(text, -1);
    const char *at = strchr(lower, '@');
    bool ok = at && !strchr(at + 1, '@') && is_domain(at + 1);
    // strspn stops at '@', which no local part has.
    return ok && is_local_part(lower, (size_t)(at - lower)) ? g_steal_pointer(&lower) : NULL;
}

static void
append_base64_lines(GString *out, const char *text)
{
    g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
    for (size_t i = 0, len = strlen(encoded); i < len; i += 76) {
        g_string_append_printf(out, "%.76s\r\n", encoded + i);
    }
}

char *
mail_encode(const char *from, const char *recipient, const char *subject, const char *body,
            int64_t time_us)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char id[UUID_SIZE];
    uuid_new(id);
    g_autofree char *coded_subject = g_base64_encode((const guchar *)subject, strlen(subject));
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
                           tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                           tm.tm_sec);
    g_string_append_printf(
        out, "From: %s\r\nTo: <%s>\r\nSubject: =?UTF-8?B?%s?=\r\nMessage-ID: <%s@haneul>\r\n", from,
        recipient, coded_subject, id);
    g_string_append(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: "
                         "text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: base64\r\n\r\n");
    append_base64_lines(out, body);
    return g_string_free(out, FALSE);
}
