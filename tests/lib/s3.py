# SPDX-License-Identifier: Apache-2.0
"""A small S3 server that believes nothing: AWS Signature Version 4 is checked to the letter (date, scope, signed headers, payload
hash), buckets must exist, parts must be numbered, sized and named by their ETags. Objects appear whole or not at all.

    with S3(port) as s3:                 # s3.url, s3.access, s3.secret, s3.bucket
        s3.objects                       # key → bytes
        s3.uploads                       # upload id → (key, {number: bytes})
        s3.fail = lambda method, path, query: 503 or "cut" or None     # asked before each request

Written from the S3 API reference and "Signature Version 4 signing process"; shares no code with the client under test.
"""

import datetime
import hashlib
import hmac
import http.server
import threading
import time
import urllib.parse
import uuid
from xml.etree import ElementTree
from xml.sax.saxutils import escape

MIN_PART = 5 << 20
SIGNED_ALWAYS = {"host", "x-amz-date", "x-amz-content-sha256"}


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def verify(server, method, target, headers, body):
    """Raises Refused unless the request is signed by the server's key over exactly what came."""
    words = headers.get("Authorization", "").split(" ", 1)
    if words[0] != "AWS4-HMAC-SHA256" or len(words) != 2:
        raise Refused(403, "AccessDenied")
    fields = dict(part.strip().split("=", 1) for part in words[1].split(","))
    access, date, region, service, end = fields["Credential"].split("/")
    stamp = headers.get("X-Amz-Date", "")
    if access != server.access or (region, service, end) != (server.region, "s3", "aws4_request"):
        raise Refused(403, "InvalidAccessKeyId")
    then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs(time.time() - then.timestamp()) > 900 or not stamp.startswith(date):
        raise Refused(403, "RequestTimeTooSkewed")
    given = headers.get("X-Amz-Content-Sha256", "")
    if given != hashlib.sha256(body).hexdigest():
        raise Refused(400, "XAmzContentSHA256Mismatch")
    names = fields["SignedHeaders"].split(";")
    if not SIGNED_ALWAYS <= set(names) or names != sorted(names):
        raise Refused(403, "AccessDenied")
    if any(name not in headers for name in names):  # signed, but not sent
        raise Refused(403, "SignatureDoesNotMatch")
    path, _, query = target.partition("?")
    pairs = sorted((_quote(urllib.parse.unquote(k)), _quote(urllib.parse.unquote(v)))
                   for k, _, v in (pair.partition("=") for pair in query.split("&") if pair))
    canonical = "\n".join([
        method, _quote(urllib.parse.unquote(path), "/"), "&".join(f"{k}={v}" for k, v in pairs),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names), "", ";".join(names), given])
    scope = f"{date}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = _mac(_mac(_mac(_mac(("AWS4" + server.secret).encode(), date), region), "s3"), "aws4_request")
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"]):
        raise Refused(403, "SignatureDoesNotMatch")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status, body=b"", headers=None):
        if isinstance(body, str):
            body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + body.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _serve(self):
        s3 = self.server.s3
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(self.path)
        query = {k: v[0] for k, v in urllib.parse.parse_qs(parts.query, keep_blank_values=True).items()}
        wish = s3.fail(self.command, parts.path, query)
        if wish == "cut":
            self.close_connection = True
            return
        try:
            if wish:
                raise Refused(wish, "SlowDown")
            verify(s3, self.command, self.path, self.headers, body)
            bucket, _, key = urllib.parse.unquote(parts.path).lstrip("/").partition("/")
            if bucket != s3.bucket:
                raise Refused(404, "NoSuchBucket")
            with s3.lock:
                s3.requests.append((self.command, key, sorted(query)))
            self._act(s3, key, query, body)
        except Refused as refusal:
            self._answer(refusal.status, f"<Error><Code>{refusal.code}</Code></Error>")

    do_GET = do_PUT = do_POST = do_DELETE = _serve

    def _act(self, s3, key, query, body):
        name = f"{self.command.lower()}_{'upload' if 'uploadId' in query else 'uploads' if 'uploads' in query else 'object' if key else 'bucket'}"
        act = getattr(self, name, None)
        if not act:
            raise Refused(405, "MethodNotAllowed")
        act(s3, key, query, body)

    # ---- objects
    def put_object(self, s3, key, query, body):
        with s3.lock:
            s3.objects[key] = body
            s3.times[key] = time.time()
        self._answer(200, headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def get_object(self, s3, key, query, body):
        data = s3.objects.get(key)
        if data is None:
            raise Refused(404, "NoSuchKey")
        wanted = self.headers.get("Range")
        if not wanted:
            return self._answer(200, data)
        first, last = (int(n) for n in wanted.removeprefix("bytes=").split("-"))
        if first >= len(data):
            raise Refused(416, "InvalidRange")
        last = min(last, len(data) - 1)
        piece = data[first:last + 1]
        headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        if s3.cut_after is not None:  # break off in the middle, once
            piece, s3.cut_after, n = piece[:s3.cut_after], None, len(piece)
            self._answer(206, piece, {**headers, "Content-Length": str(n)})
            self.close_connection = True
            return None
        return self._answer(206, piece, headers)

    def delete_object(self, s3, key, query, body):
        with s3.lock:
            s3.objects.pop(key, None)
        self._answer(204)

    # ---- lists
    def get_bucket(self, s3, key, query, body):
        if query.get("list-type") != "2":
            raise Refused(400, "InvalidArgument")
        keys = sorted(k for k in s3.objects if k.startswith(query.get("prefix", "")) and k > query.get("continuation-token", ""))
        page, more = keys[:s3.page], len(keys) > s3.page
        items = "".join(f"<Contents><Key>{escape(k)}</Key><LastModified>{_iso(s3.times[k])}</LastModified><Size>{len(s3.objects[k])}</Size></Contents>" for k in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self._answer(200, f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{items}{token}</ListBucketResult>")

    def get_uploads(self, s3, key, query, body):
        marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        rows = sorted((k, i) for i, (k, _) in s3.uploads.items() if k.startswith(query.get("prefix", "")) and (k, i) > marker)
        page, more = rows[:s3.page], len(rows) > s3.page
        items = "".join(f"<Upload><Key>{escape(k)}</Key><UploadId>{i}</UploadId></Upload>" for k, i in page)
        next_ = f"<NextKeyMarker>{escape(page[-1][0])}</NextKeyMarker><NextUploadIdMarker>{page[-1][1]}</NextUploadIdMarker>" if more else ""
        self._answer(200, f"<ListMultipartUploadsResult><IsTruncated>{str(more).lower()}</IsTruncated>{next_}{items}</ListMultipartUploadsResult>")

    # ---- uploads in parts
    def post_uploads(self, s3, key, query, body):
        upload_id = uuid.uuid4().hex + "=+/"
        with s3.lock:
            s3.uploads[upload_id] = (key, {})
        self._answer(200, f"<InitiateMultipartUploadResult><Key>{escape(key)}</Key><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>")

    def _parts(self, s3, key, query):
        found = s3.uploads.get(query["uploadId"])
        if not found or found[0] != key:
            raise Refused(404, "NoSuchUpload")
        return found[1]

    def put_upload(self, s3, key, query, body):
        number = int(query["partNumber"])
        if not 1 <= number <= 10000:
            raise Refused(400, "InvalidArgument")
        with s3.lock:
            self._parts(s3, key, query)[number] = body
        self._answer(200, headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def post_upload(self, s3, key, query, body):
        with s3.lock:
            parts = self._parts(s3, key, query)
            named = [(int(p.findtext("PartNumber")), p.findtext("ETag")) for p in ElementTree.fromstring(body).iter("Part")]
            if [n for n, _ in named] != sorted(n for n, _ in named) or any(n not in parts or tag != f'"{hashlib.md5(parts[n]).hexdigest()}"' for n, tag in named):
                raise Refused(400, "InvalidPart")
            if any(len(parts[n]) < MIN_PART for n, _ in named[:-1]):
                raise Refused(400, "EntityTooSmall")
            s3.objects[key] = b"".join(parts[n] for n, _ in named)
            s3.times[key] = time.time()
            del s3.uploads[query["uploadId"]]
        self._answer(200, f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>")

    def delete_upload(self, s3, key, query, body):
        with s3.lock:
            self._parts(s3, key, query)
            del s3.uploads[query["uploadId"]]
        self._answer(204)


def _iso(when):
    return datetime.datetime.fromtimestamp(when, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class S3:
    def __init__(self, port, access="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region="kr-test-1", bucket="blobs"):
        self.url, self.access, self.secret, self.region, self.bucket = f"http://127.0.0.1:{port}", access, secret, region, bucket
        self.objects, self.times, self.uploads, self.requests = {}, {}, {}, []
        self.lock, self.page, self.cut_after = threading.Lock(), 1000, None
        self.fail = lambda method, path, query: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.s3 = self

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def settings(self):
        """Of the service's group for this store."""
        return {"url": self.url, "bucket": self.bucket, "region": self.region, "access_key": self.access, "secret_key": self.secret,
                "part_size": MIN_PART, "timeout": 5}
