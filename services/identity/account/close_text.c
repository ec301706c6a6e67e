// SPDX-License-Identifier: Apache-2.0
// The texts of closings: what mails say, what the owner learns of a problem, and the requests to
// other services. Pure. Nothing that a person wrote goes into a mail.
#include "services/identity/account/close.h"

#include "common/base/util.h"

#include <string.h>

static const struct {
    const char *language;
    // by close_mail and kind (account, project); %s: the link, or the statements' lines
    const char *subjects[2][2], *bodies[2][2];
    const char *line; // of a statement: project, amount, currency
    const char *nothing;
} texts[] = {
    {"ko",
     {{"계정을 해지하고 있습니다", "프로젝트를 닫고 있습니다"},
      {"계정이 해지되었습니다", "프로젝트가 닫혔습니다"}},
     {{"Haneul 계정을 해지하고 있습니다. 계정에 있는 모든 것이 삭제됩니다.\n\n진행 상황과 최종 "
       "명세서는 다음으로 볼 수 있습니다:\n\n%s\n\n직접 요청하지 않으셨다면 바로 알려 주세요.\n",
       "Haneul 프로젝트를 닫고 있습니다. 프로젝트에 있는 모든 것이 삭제됩니다.\n\n진행 상황과 최종 "
       "명세서는 다음으로 볼 수 있습니다:\n\n%s\n\n직접 요청하지 않으셨다면 바로 알려 주세요.\n"},
      {"Haneul 계정이 해지되었고, 남은 것이 없습니다.\n\n최종 명세서:\n%s\n자세한 내용은 첫 메일의 "
       "링크로 볼 수 있습니다.\n",
       "Haneul 프로젝트가 닫혔고, 남은 것이 없습니다.\n\n최종 명세서:\n%s\n자세한 내용은 첫 메일의 "
       "링크로 볼 수 있습니다.\n"}},
     "  프로젝트 %s: %s %s\n",
     "  없음\n"},
    {"en",
     {{"Your account is being closed", "Your project is being closed"},
      {"Your account is closed", "Your project is closed"}},
     {{"Your Haneul account is being closed. Everything in it is being deleted.\n\nTo read how far "
       "this is, and the final statement, use:\n\n%s\n\nIf it was not you, tell us at once.\n",
       "A project of your Haneul account is being closed. Everything in it is being "
       "deleted.\n\nTo read how far this is, and the final statement, use:\n\n%s\n\nIf it was not "
       "you, tell us at once.\n"},
      {"Your Haneul account is closed, and nothing of it is left.\n\nFinal statement:\n%s\nThe "
       "link in the first mail shows it in full.\n",
       "A project of your Haneul account is closed, and nothing of it is left.\n\nFinal "
       "statement:\n%s\nThe link in the first mail shows it in full.\n"}},
     "  project %s: %s %s\n",
     "  none\n"},
};

static const char *
text_of(json_t *statement, const char *name)
{
    const char *text = json_string_value(json_object_get(statement, name));
    return text ? text : "-";
}

static char *
lines_of(size_t language, json_t *statements)
{
    GString *lines = g_string_new(json_array_size(statements) ? "" : texts[language].nothing);
    for (size_t i = 0; i < json_array_size(statements); i++) {
        json_t *statement = json_array_get(statements, i);
        const char *values[] = {text_of(statement, "project_id"), text_of(statement, "total"),
                                text_of(statement, "currency")};
        g_auto(GStrv) parts = g_strsplit(texts[language].line, "%s", 4);
        for (size_t j = 0; parts[j]; j++) {
            g_string_append(lines, parts[j]);
            g_string_append(lines, j < N_ELEMENTS(values) ? values[j] : "");
        }
    }
    return g_string_free(lines, FALSE);
}

struct close_text
close_text_of(enum close_mail kind, const struct closing *closing, const char *link,
              json_t *statements)
{
    size_t i = 0, which = closing->is_account ? 0 : 1;
    while (i + 1 < N_ELEMENTS(texts) && strncmp(closing->locale, texts[i].language, 2)) {
        i++;
    }
    g_auto(GStrv) parts = g_strsplit(texts[i].bodies[kind][which], "%s", 2);
    g_autofree char *lines = lines_of(i, statements);
    return (struct close_text){texts[i].subjects[kind][which],
                               g_strjoinv(kind == CLOSE_MAIL_DONE ? lines : link, parts)};
}

// ---- requests

static const char *
attribute(json_t *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item, name));
    return text ? text : "";
}

char *
close_fill(const char *template, json_t *item, const char *target, bool is_json)
{
    GString *out = g_string_new(NULL);
    for (const char *at = template; *at;) {
        size_t len = *at == '{' ? strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
        if (!len || at[len + 1] != '}') {
            g_string_append_c(out, *at++);
            continue;
        }
        g_autofree char *name = g_strndup(at + 1, len);
        const char *value = strcmp(name, "target") ? attribute(item, name) : target;
        json_auto_t *json = json_string(value);
        g_autofree char *text =
            is_json ? json_dumps(json, JSON_ENCODE_ANY) : g_uri_escape_string(value, NULL, FALSE);
        g_string_append(out, text);
        at += len + 2;
    }
    return g_string_free(out, FALSE);
}

void
close_problem(struct close_pass *pass, const char *service, const struct err *why)
{
    bool is_answer = !rc_is_retryable(why->rc) && why->rc != RC_INTERNAL &&
                     why->rc != RC_BAD_GATEWAY && why->rc != RC_UNAUTHORIZED;
    g_snprintf(pass->problem, sizeof(pass->problem), "%s %s%s", service,
               is_answer ? "refuses: " : "cannot be asked now", is_answer ? why->message : "");
    const char *end;
    if (!g_utf8_validate(pass->problem, -1, &end)) { // cut inside a character
        *(char *)end = 0;
    }
}
