// SPDX-License-Identifier: Apache-2.0
// What mails say, and their form (RFC 5322). Pure.
#include "common/base/util.h"
#include "services/identity/account/mail.h"
#include <string.h>
#include <time.h>

// %s: the link; %a: somebody else's address, or the id of the project.
// clang-format off
static const struct {
    const char *subject, *body, *ko_subject, *ko_body;
} texts[N_MAIL] = {
    [MAIL_VERIFY] = {"Confirm your account",
     "Somebody asked for a Haneul account with this address.\n\nTo open it, use:\n\n%s\n\nIf it was not you, ignore this mail.\n",
     "계정을 확인해 주세요",
     "이 주소로 Haneul 계정을 만들겠다는 요청을 받았습니다.\n\n계정을 열려면 다음을 사용하세요:\n\n%s\n\n요청하지 않으셨다면 이 메일을 무시하세요.\n"},
    [MAIL_KNOWN] = {"You already have an account",
     "Somebody asked for a Haneul account with this address, but you already have an account.\n"
     "Sign in with your password. If it was not you, ignore this mail.\n",
     "이미 계정이 있습니다",
     "이 주소로 Haneul 계정을 만들겠다는 요청을 받았지만, 이미 계정이 있습니다.\n비밀번호로 로그인하세요. 요청하지 않으셨다면 이 메일을 무시하세요.\n"},
    [MAIL_INVITATION] = {"You are invited to a project",
     "%a invites you to a project on Haneul.\n\nTo accept or decline, use:\n\n%s\n\nIf you do not know who this is, ignore this mail.\n",
     "프로젝트에 초대되었습니다",
     "%a 님이 Haneul 프로젝트에 초대했습니다.\n\n수락하거나 거절하려면 다음을 사용하세요:\n\n%s\n\n모르는 사람이라면 이 메일을 무시하세요.\n"},
    [MAIL_EMAIL_PROOF] = {"Confirm your new address",
     "Somebody wants to use this address for a Haneul account.\n\nTo confirm it, use:\n\n%s\n\nIf it was not you, ignore this mail.\n",
     "새 주소를 확인해 주세요",
     "이 주소를 Haneul 계정에 사용하겠다는 요청을 받았습니다.\n\n확인하려면 다음을 사용하세요:\n\n%s\n\n요청하지 않으셨다면 이 메일을 무시하세요.\n"},
    [MAIL_EMAIL_ASKED] = {"Your address is about to change",
     "Somebody who knows your password asked to change the address of your Haneul account to %a.\n"
     "Nothing changes before that address is confirmed. If it was not you, change your password now.\n",
     "주소 변경이 요청되었습니다",
     "비밀번호를 아는 누군가가 Haneul 계정의 주소를 %a(으)로 바꾸도록 요청했습니다.\n새 주소가 확인되기 전에는 아무것도 바뀌지 않습니다. 요청하지 않으셨다면 지금 비밀번호를 바꾸세요.\n"},
    [MAIL_EMAIL_CHANGED] = {"Your address has changed",
     "The address of your Haneul account is now %a. Sign in with it from now on.\nIf it was not you, write to the cloud's operator at once.\n",
     "주소가 변경되었습니다",
     "Haneul 계정의 주소가 이제 %a 입니다. 앞으로 이 주소로 로그인하세요.\n변경하지 않으셨다면 바로 클라우드 운영자에게 알려 주세요.\n"},
    [MAIL_PASSWORD_RESET] = {"Choose a new password",
     "Somebody forgot the password of the Haneul account with this address.\n\nTo choose a new one, use:\n\n%s\n\nIf it was not you, ignore this mail.\n",
     "새 비밀번호를 정하세요",
     "이 주소의 Haneul 계정 비밀번호를 잊었다는 요청을 받았습니다.\n\n새 비밀번호를 정하려면 다음을 사용하세요:\n\n%s\n\n요청하지 않으셨다면 이 메일을 무시하세요.\n"},
    [MAIL_PASSWORD_CHANGED] = {"Your password has changed",
     "The password of your Haneul account was changed by a mail to this address. You are signed out everywhere.\n"
     "If it was not you, write to the cloud's operator at once.\n",
     "비밀번호가 변경되었습니다",
     "이 주소로 보낸 메일로 Haneul 계정의 비밀번호가 변경되었습니다. 모든 곳에서 로그아웃되었습니다.\n변경하지 않으셨다면 바로 클라우드 운영자에게 알려 주세요.\n"},
    [MAIL_WAITING] = {"Your account waits for approval",
     "Your address is confirmed. An operator of the cloud looks at your account now; a mail will tell you.\n",
     "계정이 승인을 기다립니다",
     "주소가 확인되었습니다. 클라우드 운영자가 계정을 검토한 뒤 메일로 알려 드립니다.\n"},
    [MAIL_ADMIN_WAITING] = {"An account waits for approval",
     "A new account waits for approval: %a\n",
     "승인을 기다리는 계정이 있습니다",
     "새 계정이 승인을 기다립니다: %a\n"},
    [MAIL_APPROVED] = {"Your account is approved",
     "Your Haneul account is approved. Sign in with your address and your password.\n",
     "계정이 승인되었습니다",
     "Haneul 계정이 승인되었습니다. 주소와 비밀번호로 로그인하세요.\n"},
    [MAIL_REJECTED] = {"Your account was not approved",
     "Your Haneul account was not approved. What you gave us was deleted.\n",
     "계정이 승인되지 않았습니다",
     "Haneul 계정이 승인되지 않았습니다. 입력하신 정보는 삭제되었습니다.\n"},
    [MAIL_BLOCKED] = {"Your account is blocked",
     "Your Haneul account was blocked by an operator of the cloud. Write to the operator if you think this is wrong.\n",
     "계정이 차단되었습니다",
     "클라우드 운영자가 Haneul 계정을 차단했습니다. 잘못되었다고 생각하시면 운영자에게 알려 주세요.\n"},
    [MAIL_UNBLOCKED] = {"Your account is open again",
     "Your Haneul account is open again. Sign in with your address and your password.\n",
     "계정 차단이 해제되었습니다",
     "Haneul 계정의 차단이 해제되었습니다. 주소와 비밀번호로 로그인하세요.\n"},
    [MAIL_REMOVED] = {"You left a project",
     "You are no longer a member of project %a on Haneul: somebody who manages it removed you.\n",
     "프로젝트에서 제외되었습니다",
     "Haneul 프로젝트 %a에서 관리자가 회원님을 제외했습니다.\n"},
};
// clang-format on

static char *
replace(const char *text, const char *link)
{
    g_auto(GStrv) parts = g_strsplit(text, "%s", -1);
    return g_strjoinv(link ? link : "", parts);
}

struct mail_text
mail_text_of(enum mail_kind kind, const char *locale, const char *link, const char *other)
{
    bool is_korean = !strncmp(locale, "ko", 2);
    const char *body = is_korean ? texts[kind].ko_body : texts[kind].body;
    // An address may hold "%s", the text before "%a" does not: each marker is looked for once.
    const char *at = strstr(body, "%a");
    g_autofree char *head = at ? g_strndup(body, (gsize)(at - body)) : g_strdup(body);
    g_autofree char *tail = replace(at ? at + 2 : "", link), *front = replace(head, link);
    return (struct mail_text){is_korean ? texts[kind].ko_subject : texts[kind].subject,
                              g_strconcat(front, at ? other : "", tail, NULL)};
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
