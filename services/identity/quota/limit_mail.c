// SPDX-License-Identifier: Apache-2.0
#include "services/identity/quota/limit_request.h"

#include "common/base/util.h"

#include <string.h>

static const struct {
    const char *language;
    const char *subjects[2]; // refused, approved
    const char *asked, *granted, *refused, *note;
} texts[] = {
    {"ko",
     {"한도 요청이 거절되었습니다", "한도 요청이 승인되었습니다"},
     "요청하신 한도: ",
     "새 한도: ",
     "요청이 거절되었고 한도는 그대로입니다.",
     "관리자의 메모: "},
    {"en",
     {"Your request for another limit was refused", "Your request for another limit was approved"},
     "You asked for: ",
     "The limit is now: ",
     "The request was refused; the limit stays as it was.",
     "The administrator's note: "},
};

char *
limit_mail_text(const struct limit_mail *mail, const char *locale, const char **ret_subject)
{
    size_t i = 0;
    while (i + 1 < N_ELEMENTS(texts) && strncmp(locale ? locale : "", texts[i].language, 2)) {
        i++;
    }
    GString *body = g_string_new(texts[i].asked);
    g_string_append_printf(body, "%s %s = %" G_GINT64_FORMAT "\n", mail->service, mail->resource,
                           mail->asked);
    if (mail->is_approved) {
        g_string_append_printf(body, "%s%" G_GINT64_FORMAT "\n", texts[i].granted, mail->granted);
    } else {
        g_string_append_printf(body, "%s\n", texts[i].refused);
    }
    if (mail->note && *mail->note) {
        g_string_append_printf(body, "\n%s%s\n", texts[i].note, mail->note);
    }
    *ret_subject = texts[i].subjects[mail->is_approved];
    return g_string_free(body, FALSE);
}
